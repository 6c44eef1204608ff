import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadedDriver } from '../../payload/sqlite/driver.js'
import { wordsOf } from '../result.js'
import type { DriverReport } from './driver.js'

process.stdout.write(JSON.stringify(report(JSON.parse(process.argv[2] ?? ''))))

/** Opens a file in `folder` as the store does, writes to it and reads it. */
function report(folder: string): DriverReport {
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
    return { error: wordsOf(error) }
  }
}
