import { setImmediate as turn } from 'node:timers/promises'
import type { Context } from 'mocha'
import { beginTest, endTest } from './folder.js'
import { type Alive, alive, leftSince } from './leaks.js'

let before: Alive = new Map()

/**
 * Fails a test that leaves a watcher, timer, socket, server or child behind: whatever keeps the process
 * alive and was not there when the test began. What before() opened is there, so it is no leak.
 *
 * A test that failed already is let off: it had no chance to clean up.
 */
export const mochaHooks = {
  async beforeEach(): Promise<void> {
    beginTest()
    // Mocha starts a hook's own timeout once the hook has returned its promise: count it on both sides.
    await turn()
    before = alive()
  },
  async afterEach(this: Context): Promise<void> {
    await turn()
    const passed = this.currentTest?.state !== 'failed'
    const left = passed ? await leftSince(before) : []
    endTest()
    if (left.length > 0) {
      throw new Error(`"${this.currentTest?.fullTitle()}" left something open: ${left.join(', ')}`)
    }
  },
}
