import { setTimeout as pause } from 'node:timers/promises'
import { type FileSignal, FileSignalError, type Receipt } from 'file-signal'
import { createRandom } from '../random.js'
import { JOBS, now } from '../record.js'
import type { Setup, Word } from './orders.js'

interface Given {
  key: string
  nonce: string
  dedupe?: string
}

/** Publishes at random, and tells of each event what came of it. */
export interface Publishing {
  /** Publishes nothing for `ms`, and then `count` events in one batch. */
  idle(ms: number, count: number): void
  /** Ends the loop; resolves when every call has been answered. */
  quiet(): Promise<void>
  /** One last event to each key, however often that takes within 10 s; resolves with what failed last. */
  final(): Promise<string | null>
}

export function createPublishing(events: FileSignal, setup: Setup, say: (word: Word) => void): Publishing {
  const { name, life, keys, pace } = setup
  const random = createRandom(setup.seed * 1000 + life)
  const calls = new Set<Promise<unknown>>()
  let count = 0
  let isQuiet = pace === 0
  let wait: { ms: number; then: number } | null = null

  const entry = (key = random.pick(keys)): Given => {
    count += 1
    return { key, nonce: `${name}.${life}.${count}` }
  }
  const payload = ({ nonce }: Given) =>
    random.chance(0.03) ? { nonce, pad: 'x'.repeat(random.whole(1000, 30_000)) } : { nonce }

  /** Calls, and tells how it went; resolves with the code of a failure. */
  async function call(
    given: readonly Given[],
    publish: () => Promise<readonly Receipt[]>,
    began = now(),
  ): Promise<string> {
    try {
      const receipts = await publish()
      for (const [i, { key, nonce }] of given.entries()) {
        const { id = '', stored = false } = receipts[i] ?? {}
        say({ type: 'acked', t: now(), began, id, key, nonce, stored })
      }
      return ''
    } catch (error) {
      const { code, message } =
        error instanceof FileSignalError ? error : { code: 'UNKNOWN', message: String(error) }
      for (const { key, nonce } of given)
        say({ type: 'rejected', t: now(), began, key, nonce, code, message })
      return code
    }
  }

  const one = (given: Given) => {
    const body = payload(given)
    return call([given], async () => [await events.signal(given.key, body)])
  }

  const many = (given: readonly Given[]) =>
    call(given, () => events.signalMany(given.map((g) => ({ key: g.key, payload: payload(g) }))))

  /** What a careful program does: the same call again, until it knows. */
  async function careful(given: Given): Promise<string> {
    const began = now()
    const body = payload(given)
    let code = ''
    for (let i = 0; i < 4; i += 1) {
      code = await call(
        [given],
        async () => [await events.signal(given.key, body, { dedupe: given.nonce })],
        began,
      )
      // The row of a job goes as soon as somebody has it, and its dedupe key with it: again would be another job.
      if (code === '' && (given.key === JOBS || !random.chance(0.2))) break
      await pause(100)
    }
    return code
  }

  function turn(): void {
    const kind = random.whole(1, 20)
    const batch = (size: number) => Array.from({ length: size }, () => entry())
    if (kind <= 10) begin(one(entry()))
    else if (kind <= 13) begin(many(batch(random.whole(2, 8))))
    else if (kind <= 15) begin(careful(entry()))
    else if (kind <= 18) for (const given of batch(4)) begin(one(given))
    else begin(one(entry(JOBS)))
  }

  function begin(promise: Promise<unknown>): void {
    calls.add(promise)
    void promise.finally(() => calls.delete(promise))
  }

  async function loop(): Promise<void> {
    while (!isQuiet) {
      if (wait) {
        const { ms, then } = wait
        wait = null
        await Promise.all(calls)
        await pause(ms)
        if (!isQuiet) begin(many(Array.from({ length: then }, () => entry())))
      }
      // A store that is not to be had keeps calls for up to ten seconds: no more than a program would leave open.
      if (calls.size < 50) turn()
      await pause(random.whole(0, pace))
    }
  }

  async function final(): Promise<string | null> {
    const deadline = now() + 10_000
    for (const key of [...keys, JOBS]) {
      let code = ''
      do {
        code = await careful(entry(key))
        if (code !== '') await pause(200)
      } while (code !== '' && now() < deadline)
      if (code !== '') return `${key}: ${code}`
    }
    return null
  }

  void loop()
  return {
    idle: (ms, then) => {
      wait = { ms, then }
    },
    quiet: async () => {
      isQuiet = true
      await pause(pace)
      await Promise.all(calls)
    },
    final,
  }
}
