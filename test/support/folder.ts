import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ofSuites = new Set<string>()
const ofTests = new Set<string>()
let created = ofSuites

/**
 * A new empty folder under the system's temp folder, as a real path (no link above it).
 *
 * Made in a test or in beforeEach it goes after that test; made in before() or at the top of a file it goes
 * at the end of the run.
 */
export function freshFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'file-signal-')))
  created.add(folder)
  return folder
}

/** For the root hooks: from here on new folders belong to the test. */
export function beginTest(): void {
  created = ofTests
}

/** For the root hooks: removes the folders of the test. */
export function endTest(): void {
  remove(ofTests)
  created = ofSuites
}

process.once('exit', () => {
  remove(ofTests)
  remove(ofSuites)
})

function remove(folders: Set<string>): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  folders.clear()
}
