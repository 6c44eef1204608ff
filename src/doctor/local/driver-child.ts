import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileSignalError } from '../../errors.js'
import { openDatabase } from '../../payload/sqlite/driver.js'
import { reasonOf } from '../result.js'
import type { DriverReport } from './driver.js'

process.stdout.write(JSON.stringify(look()))

/** Opens, writes and reads a store-like file; says which driver did it. */
function look(): DriverReport {
  const folder = mkdtempSync(join(tmpdir(), 'file-signal-doctor-'))
  try {
    const file = join(folder, 'probe.sqlite')
    writeFileSync(file, '')
    const database = openDatabase(file)
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)')
    const { version } = database.prepare('SELECT sqlite_version() AS version FROM t').get() as {
      version: string
    }
    database.close()
    return { sqlite: version, driver: driverName() }
  } catch (error) {
    if (!(error instanceof FileSignalError)) return { error: { message: reasonOf(error), remedy: null } }
    return { error: { message: what(error), remedy: error.remedy } }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function driverName(): string {
  const { version } = createRequire(import.meta.url)('better-sqlite3/package.json') as { version: string }
  return `better-sqlite3 ${version}`
}

function what(error: FileSignalError): string {
  return error.message.slice(0, -error.remedy.length - 3)
}
