import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  createFileSignal,
  type FileSignal,
  type FileSignalError,
  type SqliteHandle,
  sqlite,
} from 'file-signal'
import { openDatabase } from '../dist/payload/sqlite/driver.js'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import { payloadContract, site } from './support/payload-contract.js'
import { openRawDatabase, type RawDatabase } from './support/raw-database.js'
import { createShop, type Shop } from './support/shop.js'
import { skip } from './support/skip.js'
import { stream } from './support/sse.js'
import { until } from './support/wait.js'
import { startWeb } from './support/web.js'

const shops: Shop[] = []
for (const journal of ['wal', 'delete']) {
  payloadContract(`sqlite in an application's database, journal_mode ${journal}`, (options, timing) => {
    const shop = createShop(journal)
    shops.push(shop)
    return { factory: sqlite({ database: shop.db }, timing), site: site(options) }
  })
}

describe("a store in an application's database", () => {
  let shop: Shop

  beforeEach(() => {
    shop = createShop()
  })

  afterEach(async () => {
    await shop.close()
    for (const used of shops.splice(0)) await used.close()
  })

  /** An instance that knows the path alone, as a cron job or the command line does. */
  async function byPath<T>(work: (events: FileSignal) => Promise<T>): Promise<T> {
    const events = createFileSignal({ root: shop.root, database: shop.path, onError: () => {} })
    try {
      return await work(events)
    } finally {
      await events.close()
    }
  }

  const settings = [
    'application_id',
    'auto_vacuum',
    'busy_timeout',
    'cache_size',
    'encoding',
    'foreign_keys',
    'journal_mode',
    'journal_size_limit',
    'locking_mode',
    'page_size',
    'recursive_triggers',
    'synchronous',
    'temp_store',
    'user_version',
    'wal_autocheckpoint',
  ]
  for (const journal of ['wal', 'delete']) {
    it(`leaves what the application has set as it is, in journal_mode ${journal}`, async () => {
      const own = createShop(journal)
      own.db.exec(`PRAGMA application_id = 77; PRAGMA user_version = 12; PRAGMA busy_timeout = 1234;
        PRAGMA synchronous = EXTRA`)
      const all = () => settings.map((name) => own.db.prepare(`PRAGMA ${name}`).get())
      const before = JSON.stringify(all())
      const events = own.events()
      await events.signal('a', 1)
      await events.transaction(() => {
        own.order(1)
        events.signal('a', 2)
      })
      await events.prune()
      expect((await events.stats()).store).to.include({ rows: 2, place: own.path })
      expect(JSON.stringify(all())).to.equal(before)
      await own.close()
      // The application id, the user version and the file format, as they lie in the file.
      const head = readFileSync(own.path)
      const format = journal === 'wal' ? 2 : 1
      const found = [head.readUInt32BE(68), head.readUInt32BE(60), head[18], head[19]]
      expect(found).to.deep.equal([77, 12, format, format])
    })
  }

  it('stands beside tables that are called as ours are elsewhere', async () => {
    const names = ['events', 'meta', 'standing', 'dedupes', 'pruned', 'mailbox_claims', 'writer_leases']
    for (const name of names) shop.db.exec(`CREATE TABLE ${name} (a); INSERT INTO ${name} VALUES (1)`)
    const events = shop.events({ retention: { maxPerKey: 1 } })
    await events.signalMany([{ key: 'a', dedupe: 'x' }, { key: 'a' }, { key: 'a' }])
    await events.prune()
    expect((await events.stats()).store.rows).to.equal(1)
    for (const name of names) {
      expect(shop.db.prepare(`SELECT * FROM ${name}`).all(), name).to.have.length(1)
    }
  })

  it('counts its own bytes: what the application stores prunes no events', async () => {
    for (let i = 0; i < 20; i += 1) {
      shop.db.prepare('INSERT INTO orders (total) VALUES (zeroblob(100000))').run()
    }
    const events = shop.events({ retention: { maxBytes: '100kb' } })
    for (let i = 0; i < 12; i += 1) await events.signal('a', 'x'.repeat(7000))
    await events.prune()
    expect((await events.stats()).store.bytes).to.be.within(84_000, 90_000)
    for (let i = 0; i < 12; i += 1) await events.signal('a', 'x'.repeat(7000))
    await events.prune()
    expect((await events.stats()).store.rows).to.equal(14)
  })

  it('takes numbers for numbers where the application has set its statements to BigInt', async function () {
    const { db } = shop as unknown as { db: { defaultSafeIntegers?: (on: boolean) => unknown } }
    if (!db.defaultSafeIntegers) skip(this, 'node:sqlite sets that for each statement')
    db.defaultSafeIntegers(true)
    const events = shop.events()
    let receipt: Promise<{ id: string }> | undefined
    await events.transaction(() => {
      events.signal('a', 1, { dedupe: 'x' })
      receipt = events.signal('a', 1, { dedupe: 'x' })
    })
    expect((await receipt)?.id).to.match(/^[0-9a-z]{8}-1$/)
  })

  it('is recognised by those who know the path alone, and shares their signal file', async () => {
    const events = shop.events({ poll: '1h' })
    await events.signal('a', 1)
    const options = { root: shop.root, database: shop.path, poll: '1h' }
    const web = await startWeb({ keys: ['a'], options, stream: { replay: 'all' } })
    const client = await stream(web.url)
    await events.signal('a', 2)
    await byPath((cron) => cron.signal('a', 3))
    await until(() => client.payloads().length === 3, 'all three')
    expect(client.payloads()).to.deep.equal([1, 2, 3])
    const [{ store, signal }, theirs] = [await events.stats(), await web.stats()]
    expect(signal.file).to.equal(join(shop.root, 'tmp/sse_signals/shop.signal'))
    expect(theirs.signal.file).to.equal(signal.file)
    expect(theirs.store).to.include({ epoch: store.epoch, rows: 3 })
    expect(store.driver).to.include({ reason: 'the application’s own' })
    client.close()
    await web.child.stop('SIGTERM')
  })

  describe('is refused with OPTION_INVALID where the database', () => {
    const refused: [string, () => unknown, RegExp][] = [
      ['is in memory', () => openMemory(), /in memory or temporary/],
      ['is closed', () => closed(), /closed/],
      ['is no database', () => ({ orders: 1 }), /\{"orders":1\}/],
      ['is null', () => null, /null/],
    ]
    for (const [what, make, why] of refused) {
      it(what, () => {
        expect(() => sqlite({ database: make() as SqliteHandle }))
          .to.throw(why)
          .with.property('code', 'OPTION_INVALID')
      })
    }

    function closed(): unknown {
      const db = openRawDatabase(shop.path)
      db.close()
      return db
    }

    it('is read-only, or with STORE_UNWRITABLE where its driver cannot tell', async () => {
      const db = openAs(shop.path, 'inTransaction' in shop.db ? { readonly: true } : { readOnly: true })
      try {
        const events = shop.events({ payload: sqlite({ database: db }) })
        await events.stats()
        const call = events.transaction(() => {
          events.signal('a', 1)
        })
        expect((await failure(call)).code).to.equal('STORE_UNWRITABLE')
      } catch (error) {
        expect((error as FileSignalError).code).to.equal('OPTION_INVALID')
      }
      db.close()
    })

    function openMemory(): unknown {
      return openAs(':memory:', {})
    }

    /** By the constructor of the driver's own handles. */
    function openAs(path: string, options: object): RawDatabase {
      const Driver = (shop.db as object).constructor as new (path: string, options: object) => RawDatabase
      return new Driver(path, options)
    }
  })

  describe('that is not what it was', () => {
    it('gets a new epoch where the application was stopped and put an older copy back', async () => {
      const events = shop.events()
      const { id } = await events.signal('a', 1)
      shop.db.exec(`VACUUM INTO '${shop.path}.backup'`)
      await events.signal('a', 'lost')
      await shop.close()
      for (const suffix of ['-wal', '-shm']) rmSync(shop.path + suffix, { force: true })
      renameSync(`${shop.path}.backup`, shop.path)
      const again = createShop('wal', shop.root)
      shops.push(again)
      const receipt = await again.events().signal('a', 2)
      expect(receipt.id.split('-')[0]).to.not.equal(id.split('-')[0])
      expect(Number(receipt.id.split('-')[1])).to.be.above(2)
    })

    it('opens no file that was put beside the -wal of another, which SQLite would mix into it', async () => {
      const events = shop.events({ onError: () => {} })
      const { id } = await events.signal('a', 1)
      shop.db.exec(`VACUUM INTO '${shop.path}.copy'`)
      renameSync(`${shop.path}.copy`, shop.path)
      const wal = statSync(`${shop.path}-wal`).ino
      const error = await failure(events.signal('a', 'nowhere'))
      expect(error.code).to.equal('STORE_FAILED')
      expect(error.message).to.include('is gone or replaced')
      expect(statSync(`${shop.path}-wal`).ino).to.equal(wal)
      for (const suffix of ['-wal', '-shm']) rmSync(shop.path + suffix)
      const receipt = await events.signal('a', 2)
      expect(receipt.id.split('-')[0]).to.not.equal(id.split('-')[0])
    })

    it('refuses a transaction on a connection that is still on the file that was replaced', async () => {
      const own = createShop('delete')
      shops.push(own)
      const events = own.events()
      await events.signal('a', 1)
      own.db.exec(`VACUUM INTO '${own.path}.copy'`)
      renameSync(`${own.path}.copy`, own.path)
      let ran = false
      const error = await failure(
        events.transaction(() => {
          ran = true
        }),
      )
      expect(error.code).to.equal('STORE_FAILED')
      expect(error.message).to.include('is not on the file that stands at')
      expect(ran).to.equal(false)
      expect(Number((await events.signal('a', 2)).id.split('-')[1])).to.be.above(1)
    })

    for (const journal of ['wal', 'delete']) {
      it(`says so where it is gone, and makes nothing in its place, in journal_mode ${journal}`, async () => {
        const own = createShop(journal)
        shops.push(own)
        const events = own.events({ onError: () => {} })
        await events.signal('a', 1)
        const left = readdirSync(own.root).filter((name) => name !== 'shop.sqlite')
        rmSync(own.path)
        const error = await failure(events.signal('a', 2))
        expect(error.code).to.equal('STORE_FAILED')
        expect(error.message).to.include('is gone or replaced')
        expect(readdirSync(own.root)).to.have.members(left)
      })
    }

    it('is left untouched where it is damaged', async () => {
      const events = shop.events()
      for (let i = 0; i < 50; i += 1) await events.signal('a', 'x'.repeat(4000))
      await shop.close()
      // What lies behind the schema, so that the damage is met in our own tables.
      overwrite(shop.path, 4096 * 3)
      const bytes = readFileSync(shop.path)
      const again = createFileSignal({ root: shop.root, database: shop.path, onError: () => {} })
      const error = await failure(again.signal('a', 1))
      await again.close()
      expect(error.code).to.equal('STORE_FAILED')
      expect(readdirSync(shop.root).filter((name) => name.includes('damaged'))).to.deep.equal([])
      expect(readFileSync(shop.path).equals(bytes)).to.equal(true)
    })

    it('is left untouched where a newer version of ours wrote it', async () => {
      await shop.events().signal('a', 1)
      shop.db.exec(`UPDATE file_signal_meta SET value = '99' WHERE name = 'version'`)
      const error = await failure(shop.events().signal('a', 2))
      expect(error.code).to.equal('STORE_NEWER')
      expect((await failure(byPath((cron) => cron.signal('a', 2)))).code).to.equal('STORE_NEWER')
    })

    it('refuses a store of file-signal’s own as the database of an application', async () => {
      const root = freshFolder()
      const own = createFileSignal({ root })
      await own.signal('a', 1)
      const handle = openDatabase(join(root, 'data/sse_payloads.sqlite'))
      const events = createFileSignal({ root, payload: sqlite({ database: handle }) })
      expect((await failure(events.signal('a', 2))).code).to.equal('STORE_FOREIGN')
      await events.close()
      await own.close()
      handle.close()
    })
  })
})

function overwrite(path: string, at: number): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, Buffer.alloc(4096 * 4, 0xa5), 0, 4096 * 4, at)
  closeSync(fd)
}
