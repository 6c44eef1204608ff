import { readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal } from 'file-signal'
import { interpreterOf, LANGUAGES, type Running, startProgram } from './setup/publishers.js'
import { freshFolder } from './support/folder.js'
import { openRawDatabase, type RawDatabase } from './support/raw-database.js'
import { until } from './support/wait.js'

const DRIVER = fileURLToPath(new URL('../dist/payload/sqlite/driver.js', import.meta.url))

/** Has the store open until it is killed; with the lock where `sql` takes it. */
const OPEN = (store: string, sql: string) => `
  import { openDatabase } from '${DRIVER}'
  globalThis.database = openDatabase('${store}')
  database.exec('${sql}')
  setInterval(() => {}, 1000)`

/** Makes each insert last some tenths of a second, in the transaction of whoever inserts. */
const SLOW = `CREATE TRIGGER slow AFTER INSERT ON events BEGIN
  SELECT count(*) FROM ${['a', 'b', 'c', 'd', 'e'].map((name) => `sqlite_master ${name}`).join(', ')};
END`

for (const language of LANGUAGES) {
  describe(`the publisher for ${language.name}, where somebody deletes -wal and -shm under it`, function () {
    this.timeout(60_000)

    let interpreter: string
    let root: string
    let running: Running[]

    before(function () {
      interpreter = interpreterOf(this, language)
    })

    beforeEach(async () => {
      root = freshFolder()
      running = []
      const events = createFileSignal({ root })
      await events.signal('a', 'first')
      await events.close()
    })

    afterEach(async () => {
      for (const { kill } of running) kill()
      await Promise.all(running.map(({ ended }) => ended))
    })

    const store = () => join(root, 'data/sse_payloads.sqlite')

    function start(program: string, args: readonly string[]): Running {
      const started = startProgram(program, args, { env: { FILE_SIGNAL_ROOT: root } })
      running.push(started)
      return started
    }

    const publish = () => start(interpreter, [language.publisher, 'a', '"second"'])

    async function open(sql: string): Promise<Running> {
      const opened = start(process.execPath, ['--input-type=module', '-e', OPEN(store(), sql)])
      await until(() => hasOpen(opened.pid, `${store()}-shm`), 'the store to be open')
      return opened
    }

    function removeSides(): void {
      for (const side of ['-wal', '-shm']) rmSync(`${store()}${side}`)
    }

    function raw<T>(fn: (database: RawDatabase) => T): T {
      const database = openRawDatabase(store())
      try {
        return fn(database)
      } finally {
        database.close()
      }
    }

    /** The event is in the store at the path, once, by the id that was told. */
    async function expectStored(publisher: Running): Promise<void> {
      const { code, stdout, stderr } = await publisher.ended
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
      const sql = `SELECT epoch || '-' || id AS id, payload FROM events, standing WHERE id > 1`
      const rows = raw((database) => database.prepare(sql).all()) as object[]
      expect(rows.map((row) => ({ ...row }))).to.deep.equal([{ id: stdout.trim(), payload: '"second"' }])
      const check = raw((database) => database.prepare('PRAGMA integrity_check').get())
      expect(check).to.deep.equal({ integrity_check: 'ok' })
    }

    /** Removes them as soon as the publisher has the lock. */
    async function removeInTransaction(): Promise<void> {
      const probe = openRawDatabase(store())
      probe.exec('PRAGMA busy_timeout = 0')
      try {
        await until(() => isLocked(probe), 'the publisher to write')
        removeSides()
      } finally {
        probe.close()
      }
    }

    it('stores the event where others find it, after it has waited for the lock', async () => {
      await open('SELECT 1 FROM events')
      const holder = await open('BEGIN IMMEDIATE')
      const publisher = publish()
      await until(() => opensBeside(`${store()}-shm`) > 2, 'the publisher to wait')
      await pause(50)
      removeSides()
      holder.kill()
      await expectStored(publisher)
    })

    it('stores it once more where its commit is lost', async () => {
      raw((database) => database.exec(SLOW))
      await open('SELECT 1 FROM events')
      const publisher = publish()
      await removeInTransaction()
      await expectStored(publisher)
    })

    it('does not where its commit came into the store all the same', async () => {
      raw((database) => database.exec(SLOW))
      const publisher = publish()
      await removeInTransaction()
      await expectStored(publisher)
    })
  })
}

function isLocked(database: RawDatabase): boolean {
  try {
    database.exec('BEGIN IMMEDIATE')
  } catch {
    return true
  }
  database.exec('ROLLBACK')
  return false
}

/** How many other processes have a file open. */
function opensBeside(path: string): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => pid !== process.pid && hasOpen(pid, path)).length
}

function hasOpen(pid: number, path: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).some((fd) => readlinkSync(join(folder, fd)) === path)
  } catch {
    // It has gone.
    return false
  }
}
