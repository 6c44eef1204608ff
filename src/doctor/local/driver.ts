import { runModule } from '../child.js'
import { type Finding, fail, pass } from '../result.js'

/** What the child prints. */
export interface DriverReport {
  readonly sqlite?: string
  readonly driver?: string
  readonly error?: { readonly message: string; readonly remedy: string | null }
}

const CHILD = new URL('./driver-child.js', import.meta.url)
const TIME = 10_000

/**
 * Loads the SQLite driver as the library does, opens a file and writes to it, all in a child: a driver that
 * does not fit this Node ends its process by SIGSEGV, which nothing can catch.
 */
export async function checkDriver(): Promise<Finding> {
  const { code, signal, stdout, stderr, timedOut } = await runModule(CHILD, null, TIME)
  const remedy = 'run: npm install better-sqlite3@12, or use Node 22.13 or later, which brings node:sqlite'
  if (timedOut) return fail(`the driver did not load within ${TIME} ms`, remedy)
  const report = parse(stdout)
  if (!report) {
    const how = signal ? `killed its process (${signal})` : `ended its process with exit code ${code}`
    const words = stderr.trim().split('\n').at(-1) ?? ''
    return fail(`loading it ${how} ${words}`.trim(), remedy, { signal, code })
  }
  if (report.error) return fail(report.error.message, report.error.remedy ?? remedy)
  const seen = `${report.driver} with SQLite ${report.sqlite}, loaded, written and read in a child process`
  return pass(seen, { driver: report.driver, sqlite: report.sqlite })
}

function parse(stdout: string): DriverReport | null {
  try {
    return JSON.parse(stdout) as DriverReport
  } catch {
    return null
  }
}
