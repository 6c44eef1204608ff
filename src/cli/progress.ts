import { SingleBar } from 'cli-progress'

/** A bar on stderr, where somebody is looking. */
export interface Progress {
  /** `amount` more of the total is done. */
  add(amount: number): void
  /** What stands behind the bar. */
  note(text: string): void
  stop(): void
}

/** A bar with a percentage where the total is known, else only what `note` says; nothing unless stderr is a terminal. */
export function createProgress(title: string, total: number | null, quiet: boolean): Progress {
  if (quiet || !process.stderr.isTTY) return { add: () => {}, note: () => {}, stop: () => {} }
  const format = total === null ? `${title}: {text}` : `${title} {bar} {percentage} %  {text}`
  const bar = new SingleBar({ format, stream: process.stderr, hideCursor: true })
  bar.start(total ?? 0, 0, { text: '' })
  return {
    add: (amount) => bar.increment(amount),
    note: (text) => bar.update({ text }),
    stop: () => bar.stop(),
  }
}
