import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../support/wait.js'
import type { Stage } from './actions/fault.js'
import type { Word } from './children/orders.js'
import type { Log } from './log.js'
import type { Reader } from './readers/reader.js'
import { type Acknowledged, type Entry, JOBS, now } from './record.js'

/** Milliseconds in which a last event has to reach every reader. */
const SOON = 15_000

/** After the last fault: everybody publishes once more, every reader has to get that, and every store to be well. */
export async function heal(stage: Stage, log: Log): Promise<void> {
  const { members, readers } = stage
  const unhealed = (who: string, what: string) => log.add({ type: 'unhealed', t: now(), who, what })
  for (const member of members) {
    member.signal('SIGCONT')
    await member.start()
    member.order({ type: 'clock', ms: 0 })
  }
  await Promise.all(members.map((member) => ask(member, 'quiet', 20_000)))
  await pause(1000)
  log.add({ type: 'note', t: now(), what: 'last events' })
  const from = log.entries.length
  await Promise.all([
    ...members.map(async (member) => {
      const word = await ask(member, 'final', 30_000)
      const failed = word?.type === 'final' ? word.failed : 'no answer'
      if (failed !== null) unhealed(member.name, `could not publish for 10 s after the last fault: ${failed}`)
    }),
    ...stage.passers.map(async (passer) => {
      const failed =
        (await passer.publish(stage.keys[0] ?? '')) && (await passer.publish(stage.keys[0] ?? ''))
      if (failed) unhealed(passer.name, `could not publish after the last fault: ${failed}`)
    }),
  ])
  const last = log.entries.slice(from).filter((entry) => entry.type === 'acked') as Acknowledged[]
  // A reset tells of what was published before it.
  const missing = ({ keys, nonces, resetAt }: Reader) =>
    last.filter(
      ({ t, key, nonce }) => key !== JOBS && keys.includes(key) && !nonces.has(nonce) && t > resetAt,
    )
  await until(() => readers.every((reader) => missing(reader).length === 0), 'all', SOON).catch(() => {})
  for (const reader of readers) {
    const [first, ...more] = missing(reader)
    if (first)
      unhealed(
        reader.name,
        `did not get ${first.id} (${first.nonce}) and ${more.length} more within ${SOON} ms of the last fault`,
      )
  }
  await jobsDone(stage, log.entries)
  await Promise.all(stage.webs.map((web) => askHealth(web.name, web.port ?? 0, log)))
}

function ask(member: Stage['members'][number], type: 'quiet' | 'final', ms: number): Promise<Word | null> {
  const answer = member.next(type, ms)
  member.order({ type })
  return answer
}

/** A claim whose reader died runs for 30 s: no longer than that, and only where a job is missing. */
async function jobsDone({ readers }: Stage, entries: readonly Entry[]): Promise<void> {
  const jobs = entries.filter((entry) => entry.type === 'acked' && entry.key === JOBS) as Acknowledged[]
  const recent = jobs.filter(({ t }) => t > now() - 60_000)
  const isDone = () => recent.every(({ nonce }) => readers.some(({ nonces }) => nonces.has(nonce)))
  await until(isDone, 'the jobs', 35_000).catch(() => {})
}

async function askHealth(name: string, port: number, log: Log): Promise<void> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/stats`, { signal: AbortSignal.timeout(10_000) })
    const { store } = (await answer.json()) as { store: { health: 'ok' | { code: string; message: string } } }
    const { code, message } = store.health === 'ok' ? { code: null, message: '' } : store.health
    log.add({ type: 'health', t: now(), by: name, code, message })
  } catch (error) {
    log.add({ type: 'unhealed', t: now(), who: name, what: `has no stats after the last fault: ${error}` })
  }
}
