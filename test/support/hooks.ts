import { setImmediate as turn } from 'node:timers/promises'
import type { Context } from 'mocha'
import { beginTest, endTest } from './folder.js'
import { until } from './wait.js'

let before = new Map<string, number>()

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
    // Closing takes the loop a few turns, and chokidar leaves throttling timers of up to 100 ms.
    if (passed) {
      await until(() => leaked().length === 0, 'the end of what the test opened', 2000).catch(() => {})
    }
    const left = leaked()
    endTest()
    if (passed && left.length > 0) {
      throw new Error(`"${this.currentTest?.fullTitle()}" left something open: ${left.join(', ')}`)
    }
  },
}

/** Kinds of resources that hold the process, with their number: FSEventWrap is a watcher, ProcessWrap a child. */
function alive(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

function leaked(): string[] {
  const found: string[] = []
  for (const [kind, count] of alive()) {
    const more = count - (before.get(kind) ?? 0)
    if (more > 0) found.push(`${more} ${kind}`)
  }
  return found
}
