import { randomBytes } from 'node:crypto'
import type { FileSignalError } from '../../errors.js'
import type { Subscriber } from '../../stream/subscribe.js'
import { runModule } from '../child.js'
import { ownFile } from '../own-file.js'
import { type Finding, fail, pass, showTime, skip, warn, wordsOf } from '../result.js'
import { machineNow } from './machine-now.js'
import { type Making, openAt } from './open-at.js'
import type { StorePlaces } from './places.js'
import type { Publication } from './publish-child.js'

/** The key that the doctor publishes to: nobody else should, so nobody is disturbed. */
export const DOCTOR_KEY = 'file-signal:doctor'

/** What the two delivery checks find. */
export interface Deliveries {
  readonly roundTrip: Finding
  readonly otherProcess: Finding
  /** The store's epoch, which an address can be compared with; null where the store cannot be used. */
  readonly epoch: string | null
}

const CHILD = ownFile('local/publish-child.js')
const TIME = 8000
/** A wake-up that comes with the sweep, and not with the signal, takes up to this. */
const SWEEP = 1000

/**
 * Publishes an event in this process, and one in a child, and reads both here: first what the store does,
 * then what the signal file does. Creates the store where it is missing, as any publisher would.
 */
export async function checkDelivery(places: StorePlaces, making: Making): Promise<Deliveries> {
  const reports: FileSignalError[] = []
  const events = openAt(places, making, { poll: SWEEP, onError: (error) => reports.push(error) })
  const nonce = randomBytes(8).toString('hex')
  try {
    // A store that is busy at this moment would tell its head later, and the first event would be before it.
    const { epoch, head } = (await events.stats()).store
    const arrivals = watchArrivals(events.subscribe(DOCTOR_KEY, { after: `${epoch}-${head}` }))
    const began = machineNow()
    await events.signal(DOCTOR_KEY, { nonce: `${nonce}-here` }, { event: 'doctor' })
    const committed = machineNow() - began
    const at = await arrivals.of(`${nonce}-here`, TIME)
    const otherProcess = await ofChild(places, making, `${nonce}-there`, arrivals, () => events.stats())
    // Last, for what the watcher has to report comes when it will.
    const roundTrip = ofRoundTrip(committed, at === null ? null : at - began, reports)
    return { roundTrip, otherProcess, epoch }
  } catch (error) {
    const { words, remedy } = wordsOf(error)
    return {
      roundTrip: fail(words, remedy ?? 'read the message', {
        code: error instanceof Error && 'code' in error ? error.code : null,
      }),
      otherProcess: skip('the store cannot be used'),
      epoch: null,
    }
  } finally {
    await events.close()
  }
}

function ofRoundTrip(committed: number, whole: number | null, reports: readonly FileSignalError[]): Finding {
  const details = { commit: committed, time: whole, reports: reports.map(({ code }) => code) }
  if (whole === null) {
    return fail(
      `stored in ${showTime(committed)}, and not read within ${showTime(TIME)}`,
      'see the checks above',
      details,
    )
  }
  const seen = `stored in ${showTime(committed)}, read after ${showTime(whole)}`
  const [report] = reports
  if (report) return warn(`${seen}; ${report.message.split(';')[0]}`, report.remedy, details)
  if (committed > 250) {
    return warn(seen, 'the disk or another writer is slow: keep transactions on the store short', details)
  }
  return pass(seen, details)
}

async function ofChild(
  places: StorePlaces,
  making: Making,
  nonce: string,
  arrivals: Arrivals,
  stats: () => Promise<{ streams: { mode: string | null } }>,
): Promise<Finding> {
  const { mode, group } = making
  const publication: Publication = { ...places, mode, group, key: DOCTOR_KEY, nonce }
  const { stdout, stderr, code, signal, unstarted } = await runModule(CHILD, publication, TIME)
  if (unstarted) return skip(`not tried: no child can be started here (${unstarted})`)
  const published = Number(stdout.trim())
  if (code !== 0 || !(published > 0)) {
    const words = errorLine(stderr) ?? `exit code ${code ?? signal}`
    return fail(`a child process could not publish: ${words}`, 'see "sqlite driver" and "rights"')
  }
  const at = await arrivals.of(nonce, TIME)
  const { streams } = await stats()
  const details = { mode: streams.mode }
  if (at === null) {
    const seen = `a child's event did not arrive within ${showTime(TIME)}`
    return fail(seen, 'see "paths" and "watching"', details)
  }
  const time = at - published
  const how = streams.mode === 'poll' ? 'by polling' : 'by its file event'
  const seen = `a child's event arrived ${showTime(time)} after its signal(), ${how}`
  if (time < SWEEP / 2) return pass(seen, { ...details, time })
  return warn(seen, 'the wake-up was lost, and the sweep found the event: see "watching"', {
    ...details,
    time,
  })
}

interface Arrivals {
  /** When the event of that nonce arrived, as of machineNow(); null where it does not within `ms`. */
  of(nonce: string, ms: number): Promise<number | null>
}

function watchArrivals(subscriber: Subscriber): Arrivals {
  const found = new Map<string, number>()
  const waiting = new Set<() => void>()

  async function listen(): Promise<void> {
    for await (const { payload } of subscriber) {
      if (typeof payload !== 'object' || payload === null || !('nonce' in payload)) continue
      found.set(String(payload.nonce), machineNow())
      for (const look of waiting) look()
    }
  }

  // Closing the instance ends it; a fault of the store is told by the publisher's side.
  listen().catch(() => {})
  return {
    of: (nonce, ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => settle(null), ms)
        function settle(at: number | null): void {
          clearTimeout(timer)
          waiting.delete(look)
          resolve(at)
        }
        function look(): void {
          const at = found.get(nonce)
          if (at !== undefined) settle(at)
        }
        waiting.add(look)
        look()
      }),
  }
}

/** Of what Node prints about an uncaught error, the line that names it. */
function errorLine(stderr: string): string | null {
  return stderr.split('\n').find((line) => /^\w*Error[: ]/.test(line)) ?? null
}
