import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseSqlite } from '../../payload/sqlite/driver-choice.js'
import type { SqliteFacts } from '../../payload/sqlite/driver-facts.js'
import { type ChildEnd, runModule } from '../child.js'
import { ownFile } from '../own-file.js'
import { type Finding, fail, pass, skip } from '../result.js'

/** What the child prints. */
export type DriverReport =
  | {
      readonly name: string
      readonly version: string
      readonly reason: string | null
      readonly sqlite: string
    }
  | { readonly error: { readonly words: string; readonly remedy: string | null } }

const CHILD = ownFile('local/driver-child.js')
const TIME = 10_000

/**
 * Says which SQLite driver is chosen and why, and tries it in a child: a driver that does not fit this Node
 * ends its process by SIGSEGV, which nothing can catch. Nothing is loaded in this process.
 */
export async function checkDriver(facts: SqliteFacts): Promise<Finding> {
  const { driver, reason, remedy } = chooseSqlite(facts)
  if (driver === null) return fail(reason ?? 'no driver', remedy ?? REMEDY, { driver, reason })
  const { code, signal, stdout, stderr, unstarted, timedOut } = await tryDriver()
  if (unstarted)
    return skip(`${driver} is chosen; not tried, for no child can be started here (${unstarted})`)
  if (timedOut) return fail(`${driver} did not load within ${TIME} ms`, REMEDY, { driver })
  const report = parse(stdout)
  if (!report) {
    const how = signal ? `killed its process (${signal})` : `ended its process with exit code ${code}`
    const words = stderr.trim().split('\n').at(-1) ?? ''
    return fail(`loading ${driver} ${how} ${words}`.trim(), REMEDY, { driver, signal, code })
  }
  if ('error' in report) return fail(report.error.words, report.error.remedy ?? REMEDY, { driver })
  const why = report.reason === null ? '' : `, because ${report.reason}`
  return pass(
    `${report.name} ${report.version} with SQLite ${report.sqlite}${why}; tried in a child process`,
    {
      driver: report.name,
      ...report,
    },
  )
}

const REMEDY = 'run: npm install better-sqlite3@12, or use Node 22.13 or later, which has SQLite built in'

/** The folder is made and removed here: a child that is killed leaves what it has made. */
async function tryDriver(): Promise<ChildEnd> {
  const folder = mkdtempSync(join(tmpdir(), 'file-signal-doctor-'))
  try {
    return await runModule(CHILD, folder, TIME)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function parse(stdout: string): DriverReport | null {
  try {
    return JSON.parse(stdout) as DriverReport
  } catch {
    return null
  }
}
