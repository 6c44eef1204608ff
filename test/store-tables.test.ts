import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { createFileSignal, type FileSignal, sqlite } from 'file-signal'
import { freshFolder } from './support/folder.js'
import { openRawDatabase, type RawDatabase } from './support/raw-database.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'

/** What others do to tables that they do not know; `prefix` is that of ours. */
const deeds: Record<string, (db: RawDatabase, prefix: string) => void> = {
  'a cleaner empties every table': (db) => {
    for (const name of names(db, 'table')) db.exec(`DELETE FROM "${name}"`)
  },
  'DELETE FROM sqlite_sequence': (db) => db.exec('DELETE FROM sqlite_sequence'),
  'the events and their numbers are deleted': (db, prefix) =>
    db.exec(`DELETE FROM ${prefix}events; DELETE FROM sqlite_sequence`),
  'a schema tool drops all tables': (db, prefix) => {
    for (const name of TABLES) db.exec(`DROP TABLE ${prefix}${name}`)
  },
}
const TABLES = [
  'events',
  'meta',
  'standing',
  'pruned',
  'dedupes',
  'mailbox_claims',
  'writer_leases',
  'lease_sightings',
]
for (const table of TABLES) {
  deeds[`the table ${table} is dropped`] = (db, prefix) => db.exec(`DROP TABLE ${prefix}${table}`)
}
for (const table of ['meta', 'standing', 'pruned']) {
  deeds[`the table ${table} is emptied`] = (db, prefix) => db.exec(`DELETE FROM ${prefix}${table}`)
}
deeds['an index is dropped'] = (db, prefix) => db.exec(`DROP INDEX ${prefix}events_key`)
deeds['a trigger is dropped'] = (db, prefix) => db.exec(`DROP TRIGGER ${prefix}events_pruned`)

for (const isGuest of [false, true]) {
  describe(`what is done to our tables in ${isGuest ? 'an application’s database' : 'a store of our own'}`, () => {
    let root: string
    let path: string
    let db: RawDatabase
    let events: FileSignal
    let server: http.Server
    let clients: Client[]

    beforeEach(async () => {
      root = freshFolder()
      path = join(root, isGuest ? 'app.sqlite' : 'data/sse_payloads.sqlite')
      if (isGuest) {
        db = openRawDatabase(path)
        db.exec(
          'PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, total)',
        )
      }
      clients = []
      await begin()
    })

    afterEach(async () => {
      await end()
      if (isGuest) db.close()
    })

    async function begin(): Promise<void> {
      const payload = isGuest ? { payload: sqlite({ database: db }) } : {}
      events = createFileSignal({ root, poll: 100, onError: () => {}, ...payload })
      server = http.createServer(events.handler(['a', 'b'])).listen(0, '127.0.0.1')
      await until(() => server.listening, 'a free port')
    }

    async function end(): Promise<void> {
      for (const client of clients) client.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await events.close()
    }

    async function come(cursor?: string): Promise<Client> {
      const { port } = server.address() as AddressInfo
      const headers: Record<string, string> = cursor === undefined ? {} : { 'last-event-id': cursor }
      const client = await stream(`http://127.0.0.1:${port}/`, { headers })
      clients.push(client)
      return client
    }

    function publish(payload: string): Promise<string> {
      if (!isGuest) return events.signal('a', payload).then(({ id }) => id)
      let id: Promise<{ id: string }> | undefined
      return events
        .transaction(() => {
          db.exec('INSERT INTO orders (total) VALUES (1)')
          id = events.signal('a', payload)
        })
        .then(async () => (await id)?.id as string)
    }

    /** Tables, indexes and triggers. */
    function namesOfOurs(): string[] {
      let found: string[] = []
      tamper((raw, prefix) => {
        found = names(raw, '%').filter((name) => name.startsWith(prefix))
      })
      return found.sort()
    }

    function tamper(deed: (db: RawDatabase, prefix: string) => void): void {
      const raw = isGuest ? db : openRawDatabase(path)
      deed(raw, isGuest ? 'file_signal_' : '')
      if (!isGuest) raw.close()
    }

    for (const [what, deed] of Object.entries(deeds)) {
      it(`goes on behind one reset at most, live and after a restart: ${what}`, async () => {
        await events.signalMany(Array.from({ length: 500 }, (_, i) => ({ key: 'b', payload: `old ${i}` })))
        tamper((raw, prefix) => raw.exec(`DELETE FROM ${prefix}events WHERE key = 'b' AND id > 400`))
        const client = await come()
        const before = await publish('before')
        await until(() => client.payloads().length === 1, 'the first event')
        const whole = namesOfOurs()
        tamper(deed)
        const ids = [before]
        const live = Array.from({ length: 10 }, (_, i) => `live ${i}`)
        for (const payload of live) ids.push(await publish(payload))
        const resets = () => client.ofType('reset').length
        // What came before anybody noticed may lie behind the reset.
        await until(() => resets() === 1 || client.payloads().includes('live 9'), 'news')
        await pause(250)
        ids.push(await publish('noticed'))
        await until(() => client.payloads().includes('noticed'), 'what came afterwards')
        if (resets() === 0) expect(client.payloads().slice(1)).to.deep.equal([...live, 'noticed'])
        expect(resets()).to.be.at.most(1)
        expect(namesOfOurs()).to.deep.equal(whole)
        const returned = await come(before)
        await until(() => returned.ofType('reset').length + returned.payloads().length > 0, 'its news')
        if (returned.ofType('reset').length === 0) {
          await until(() => returned.payloads().includes('noticed'), 'all that it missed')
          expect(returned.payloads().length).to.equal(11)
        }

        await end()
        tamper(deed)
        await begin()
        for (let i = 0; i < 5; i += 1) ids.push(await publish(`again ${i}`))
        const fresh = await come()
        for (let i = 5; i < 10; i += 1) ids.push(await publish(`again ${i}`))
        await until(() => fresh.payloads().includes('again 9'), 'what came after the restart')
        expect(fresh.payloads()).to.deep.equal(Array.from({ length: 5 }, (_, i) => `again ${i + 5}`))
        expect(fresh.ofType('reset')).to.deep.equal([])
        expect(new Set(ids).size).to.equal(ids.length)
      })
    }
  })
}

describe('a store that is put back from a dump', () => {
  it('is recognised by its tables, and goes on behind one reset', async () => {
    const root = freshFolder()
    const path = join(root, 'data/sse_payloads.sqlite')
    const first = createFileSignal({ root })
    await first.signal('a', 1)
    const dump = execFileSync('sqlite3', [path, '.dump'])
    const { id } = await first.signal('a', 2)
    await first.close()
    rmSync(path)
    execFileSync('sqlite3', [path], { input: dump })
    const events = createFileSignal({ root, onError: () => {} })
    try {
      await events.signal('a', 3)
      expect((await events.stats()).store.rows).to.equal(2)
      const lost = await (async () => {
        for await (const _ of events.subscribe('a', { after: id })) return null
      })().catch((error: unknown) => error)
      expect(lost).to.include({ code: 'CURSOR_LOST' })
    } finally {
      await events.close()
    }
  })
})

function names(db: RawDatabase, type: string): string[] {
  const rows = db.prepare('SELECT name FROM sqlite_master WHERE type LIKE ?').all(type) as { name: string }[]
  return rows.map(({ name }) => name)
}
