import { setImmediate as turn } from 'node:timers/promises'
import type { Context } from 'mocha'
import { alive, leftSince } from './leaks.js'

/** A test of its own state: `run` makes that, hands it to the test, and takes it back. */
export type Run<Site> = (test: (site: Site) => Promise<void>) => Promise<void>
export type SideBySide<Site> = (
  title: string,
  test: (site: Site) => Promise<void>,
  /** Skips it where something is not there. */
  need?: (context: Context) => void,
) => void

/**
 * Like `it`, for tests of one suite that mostly wait: they run side by side before its first test, `atATime` of them.
 * One that fails there is run again by itself in its turn, and only that counts: what it measures may have been
 * disturbed by the others.
 *
 * Call it at the top of the suite. What they leave open fails the suite.
 */
export function sideBySide<Site>(run: Run<Site>, atATime: number): SideBySide<Site> {
  const tests: (() => Promise<boolean>)[] = []

  before(async function () {
    this.timeout(180_000)
    await turn()
    const known = alive()
    const waiting = [...tests]
    let allPassed = true
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        if (!(await next())) allPassed = false
      }
    }
    await Promise.all(Array.from({ length: atATime }, work))
    // One that failed had no chance to clean up.
    const left = allPassed ? await leftSince(known) : []
    if (left.length > 0) throw new Error(`tests side by side left something open: ${left.join(', ')}`)
  })

  return (title, test, need) => {
    let passed = false
    tests.push(() =>
      run(test).then(
        () => {
          passed = true
          return true
        },
        () => false,
      ),
    )
    it(title, async function () {
      need?.(this)
      if (!passed) await run(test)
    })
  }
}
