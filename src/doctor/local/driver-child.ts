import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileSignalError } from '../../errors.js'
import { loadedDriver } from '../../payload/sqlite/driver.js'
import { reasonOf } from '../result.js'
import type { DriverReport } from './driver.js'

process.stdout.write(JSON.stringify(report()))

/** Opens a file as the store does, writes to it and reads it. */
function report(): DriverReport {
  const folder = mkdtempSync(join(tmpdir(), 'file-signal-doctor-'))
  try {
    const file = join(folder, 'probe.sqlite')
    writeFileSync(file, '')
    const { name, version, reason, open } = loadedDriver()
    const database = open(file)
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)')
    const row = database.prepare('SELECT sqlite_version() AS sqlite FROM t').get() as { sqlite: string }
    database.close()
    return { name, version, reason, sqlite: row.sqlite }
  } catch (error) {
    if (!(error instanceof FileSignalError)) return { error: { message: reasonOf(error), remedy: null } }
    return { error: { message: reasonOf(error).replace(`; ${error.remedy}.`, ''), remedy: error.remedy } }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
