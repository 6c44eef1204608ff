import { writeFileSync } from 'node:fs'
import { arch, cpus, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { EVENTS, GAP, LIMITS } from './measure.js'
import type { Result } from './measure-cell.js'
import { drawPlot } from './plot.js'
import { serverVersions } from './versions.js'

const PAGE = fileURLToPath(new URL('../../docs/hosting-matrix.md', import.meta.url))
const PLOT = fileURLToPath(new URL('../../docs/hosting-matrix.svg', import.meta.url))

/** Writes docs/hosting-matrix.md and its plot from the results of a full run. */
export function writePage(results: readonly Result[]): void {
  writeFileSync(PLOT, drawPlot(results))
  writeFileSync(PAGE, `${describe(results)}\n`)
}

function describe(results: readonly Result[]): string {
  const ours = results.filter(({ cell }) => cell.form === 'ours')
  const again = results.filter(({ attempts }) => attempts > 1).length
  const short = results.flatMap((result) => result.short?.delays ?? [])
  const worst = (pick: (result: Result) => number | null | undefined) =>
    round(Math.max(...ours.map((result) => pick(result) ?? Number.POSITIVE_INFINITY)))
  return `# The hosting matrix

What each web server does to a stream as installed, in its most hostile form, and with our file. Written by
\`npm run test:servers\`, which fails when a figure is not what it should be.

With our files all ${ours.length} chains deliver every event: p95 is at most ${worst(({ delivery }) => delivery?.p95)} ms, and the first
byte comes after at most ${worst(({ delivery }) => delivery?.firstByte)} ms. Through the hostile ones, and all others that deliver
nothing or late, short responses (\`?mode=short\`) bring each event within ${round(Math.max(...short))} ms.

![Delay of events through each server](hosting-matrix.svg)

${table(results)}

## How it was measured

- ${serverVersions().join(', ')}, all from Debian's packages (Passenger's module for nginx is built
  from Debian's sources of it, with a stand-in for the library that Debian leaves out); Node ${process.versions.node} on ${type()} (${arch()}), everything on one machine
  of ${cpus().length} cores.
- The app is a plain Koa app with this package. Another process publishes an event every ${GAP} ms, with its clock in the
  payload. The client reads the raw socket (HTTP/2: node:http2) and says that it understands gzip, deflate and br,
  as browsers do. Delay is from right before \`signal()\` to the decoded event; ${EVENTS} events a cell.
- Limits, where a cell is to stream: all events in order, p95 below ${LIMITS.p95} ms, first byte below ${LIMITS.firstByte} ms. Short responses:
  each event within ${LIMITS.short} ms. A cell that is only too slow is measured again, at most three times, for the machine may be busy:
  "measured" says how often, and the figures are the last ones. In this run ${again} of ${results.length} were. What is missing, repeated, out of
  order or not as expected fails at once.
- Times are milliseconds. "Leaves" is the time from the client's end to \`close\` in Node, while events go on. nginx tells at once, Apache
  only when it writes: on a silent stream that is one or two heartbeats later, which is what heartbeats are for.
- "Replay": how many of the events that a client has missed come at once when it is back with its cursor.
- Idle: a stream without events, watched for at least 75 s with the default heartbeat of 15 s. All idle streams wait at once.
- With our file a page that is no stream was compressed as before, in each cell.
- "Nothing": no event arrived while the stream was open. "In a lump": some kilobytes gathered first.

## What was not measured

- **LiteSpeed**: neither LiteSpeed Enterprise nor OpenLiteSpeed is in Debian. The block in apache/.htaccess was
  written from their documentation and source.
- **Cloudflare** and other services: nothing here leaves the machine. What [servers.md](servers.md) says of Cloudflare is from its documentation.
- Panels themselves (cPanel, Plesk, DirectAdmin): the servers under them were.`
}

/** Title → what stands there; times are milliseconds. */
const COLUMNS: Readonly<Record<string, (result: Result) => string>> = {
  'chain: form': ({ cell }) => (cell.form === 'ours' ? `**${cell.name}**` : cell.name),
  because: ({ cell }) => cell.why,
  'first byte': ({ delivery }) => round(delivery?.firstByte),
  events: ({ cell, delivery }) => {
    if (!delivery?.count) return 'nothing'
    return `${delivery.count} of ${EVENTS}${cell.expects === 'buffers' ? ', in a lump' : ''}`
  },
  p50: ({ delivery }) => round(delivery?.p50),
  p95: ({ delivery }) => round(delivery?.p95),
  max: ({ delivery }) => round(delivery?.max),
  leaves: ({ delivery }) => (delivery?.left === null ? 'not within 2 s' : round(delivery?.left)),
  replay: ({ cell, delivery }) =>
    cell.expects === 'buffers' || !delivery ? '' : `${delivery.replayed} of ${delivery.missed}`,
  'idle 75 s': ({ cell, idle }) =>
    cell.expects === 'buffers' || !idle ? '' : `kept, ${idle.heartbeats} heartbeats`,
  short: ({ short }) => (short ? `≤ ${round(Math.max(...short.delays))}` : ''),
  measured: ({ attempts }) => (attempts > 1 ? `${attempts} times` : ''),
}

function table(results: readonly Result[]): string {
  const titles = Object.keys(COLUMNS)
  const rows = results.map((result) => Object.values(COLUMNS).map((tell) => tell(result)))
  return [titles, titles.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

/** Milliseconds for reading: one decimal below ten. */
function round(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return ''
  return ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0)
}
