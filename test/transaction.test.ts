import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import {
  createFileSignal,
  type FileSignal,
  type FileSignalStats,
  memory,
  type PayloadFactory,
  type Receipt,
} from 'file-signal'
import { machineClock } from '../dist/payload/sqlite/machine-clock.js'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import type { RawDatabase } from './support/raw-database.js'
import { createShop, type Shop } from './support/shop.js'
import { skip } from './support/skip.js'
import { stream } from './support/sse.js'
import { calm, until } from './support/wait.js'
import { startWeb } from './support/web.js'

describe("publishing in the application's own transaction", () => {
  let shop: Shop
  let events: FileSignal
  let other: RawDatabase
  let unhandled: unknown[]

  function onUnhandled(error: unknown): void {
    unhandled.push(error)
  }

  beforeEach(async () => {
    unhandled = []
    process.on('unhandledRejection', onUnhandled)
    shop = createShop()
    // So slow that whatever arrives was woken for.
    events = shop.events({ poll: '1h' })
    other = shop.open()
    await events.stats()
  })

  // In a transaction nobody can wait for a call, so none of them may end the process.
  afterEach(async () => {
    await shop.close()
    process.off('unhandledRejection', onUnhandled)
    expect(unhandled).to.deep.equal([])
  })

  /** The payloads that any other program sees. */
  function stored(): unknown[] {
    const rows = other.prepare('SELECT payload FROM file_signal_events ORDER BY id').all()
    return rows.map((row) => JSON.parse((row as { payload: string }).payload))
  }

  function nOf({ id }: Receipt): number {
    return Number(id.split('-')[1])
  }

  describe('that commits', () => {
    it('stores rows and events together, before the call returns', async () => {
      const receipts: Promise<Receipt>[] = []
      const call = events.transaction(() => {
        shop.order(12.5)
        receipts.push(events.signal('orders', 1), events.end('basket'))
        expect(stored()).to.deep.equal([])
        return 'done'
      })
      expect(stored()).to.deep.equal([1, null])
      expect(shop.orders()).to.equal(1)
      expect(await call).to.equal('done')
      expect((await Promise.all(receipts)).map(nOf)).to.deep.equal([1, 2])
    })

    it('wakes the readers of this process and of others after the commit', async () => {
      const options = { root: shop.root, database: shop.path, poll: '1h' }
      const web = await startWeb({ keys: ['orders'], options })
      const client = await stream(web.url)
      const heard: unknown[] = []
      const subscriber = events.subscribe('orders')
      const listening = (async () => {
        for await (const event of subscriber) heard.push(event.payload)
      })()
      const count = async () => JSON.stringify([await web.stats(), await events.stats()].map(wakesOf))
      await calm(count)
      await events.transaction(() => {
        shop.order(1)
        events.signal('orders', { id: 7 })
      })
      await until(() => heard.length > 0 && client.payloads().length > 0, 'the event in both', 1500)
      expect([heard, client.payloads()]).to.deep.equal([[{ id: 7 }], [{ id: 7 }]])
      await subscriber.return()
      await listening
      client.close()
      await web.child.stop('SIGTERM')
    })

    it('wakes them too where a trigger of the application stored the event', async () => {
      shop.db.exec(`CREATE TRIGGER heard AFTER INSERT ON orders BEGIN
        INSERT INTO file_signal_events (key, payload) VALUES ('orders', json_object('id', NEW.id)); END`)
      const heard: unknown[] = []
      const subscriber = events.subscribe('orders')
      const listening = (async () => {
        for await (const event of subscriber) heard.push(event.payload)
      })()
      await calm(async () => JSON.stringify(wakesOf(await events.stats())))
      await events.transaction(() => shop.order(1))
      await until(() => heard.length > 0, 'the event of the trigger', 1500)
      expect(heard).to.deep.equal([{ id: 1 }])
      const wakes = JSON.stringify(wakesOf(await events.stats()))
      await events.transaction(() => shop.db.exec('DELETE FROM orders'))
      expect(JSON.stringify(wakesOf(await events.stats()))).to.equal(wakes)
      await subscriber.return()
      await listening
    })

    it('keeps an event from the readers of other processes until then', async () => {
      const options = { root: shop.root, database: shop.path, poll: 20 }
      const web = await startWeb({ keys: ['orders'], options })
      const client = await stream(web.url)
      const sweeps = (await web.stats()).streams.wakes.sweep
      shop.db.exec('PRAGMA cache_size = 1')
      const call = events.transaction(() => {
        events.signalMany(Array.from({ length: 50 }, () => ({ key: 'orders', payload: 'x'.repeat(9000) })))
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
        throw new Error('no')
      })
      await call.catch(() => {})
      await until(
        async () => (await web.stats()).streams.wakes.sweep > sweeps + 5,
        'some looks of the reader',
      )
      await events.signal('orders', 'next')
      await until(() => client.payloads().length > 0, 'the next event')
      expect(client.payloads()).to.deep.equal(['next'])
      client.close()
      await web.child.stop('SIGTERM')
    })

    it('goes on after an event without one, and stores what signalMany() and dedupe say', async () => {
      let again: Promise<Receipt> | undefined
      await events.signal('orders', 0, { dedupe: 'x' })
      await events.transaction(() => {
        events.signalMany([
          { key: 'orders', payload: 1 },
          { key: 'orders', payload: 2 },
        ])
        again = events.signal('orders', 3, { dedupe: 'x' })
      })
      await events.transaction(() => shop.order(1))
      expect(stored()).to.deep.equal([0, 1, 2])
      expect(await again).to.include({ stored: false })
      expect(shop.orders()).to.equal(1)
    })

    it('takes back what a savepoint takes back, and tells that call alone', async () => {
      const calls: Promise<Receipt>[] = []
      await events.transaction(() => {
        calls.push(events.signal('orders', 'kept'))
        shop.db.exec('SAVEPOINT mine')
        calls.push(events.signal('orders', 'lost'), events.signal('orders', 'lost too', { dedupe: 'x' }))
        calls.push(events.signal('orders', 'found lost', { dedupe: 'x' }))
        shop.db.exec('ROLLBACK TO mine; RELEASE mine')
        calls.push(events.signal('orders', 'kept too'))
      })
      const ends = await Promise.allSettled(calls)
      expect(stored()).to.deep.equal(['kept', 'kept too'])
      const rejected = ends.map((end) => (end.status === 'rejected' ? end.reason.code : nOf(end.value)))
      const lost = 'TRANSACTION_ROLLED_BACK'
      expect(rejected).to.deep.equal([1, lost, lost, lost, 2])
    })

    it('may hold transactions of better-sqlite3, which become savepoints', async function () {
      const { db } = shop as unknown as { db: { transaction?: <F>(work: F) => F } }
      if (!db.transaction) skip(this, 'node:sqlite has none')
      const refused = db.transaction(() => {
        shop.order(1)
        events.signal('orders', 1)
        throw new Error('no')
      })
      await events.transaction(() => {
        expect(refused).to.throw('no')
        shop.order(2)
        events.signal('orders', 2)
      })
      expect(shop.orders()).to.equal(1)
      expect(stored()).to.deep.equal([2])
    })

    it('lets another transaction inside it join', async () => {
      let inner: Promise<number> | undefined
      await events.transaction(() => {
        inner = events.transaction(() => {
          events.signal('orders', 'inner')
          return 5
        })
        expect(stored()).to.deep.equal([])
      })
      expect(await inner).to.equal(5)
      expect(stored()).to.deep.equal(['inner'])
    })
  })

  describe('that fails', () => {
    async function expectNothing(): Promise<void> {
      await pause(1)
      expect(stored()).to.deep.equal([])
      expect(shop.orders()).to.equal(0)
      await events.transaction(() => {
        shop.order(1)
        events.signal('orders', 'next')
      })
      expect(stored()).to.deep.equal(['next'])
    }

    it('stores neither rows nor events, and rejects with what was thrown', async () => {
      const refusal = new Error('sold out')
      let signalled: Promise<Receipt> | undefined
      const call = events.transaction(() => {
        shop.order(1)
        signalled = events.signal('orders', 1)
        throw refusal
      })
      expect(await call.catch((error: unknown) => error)).to.equal(refusal)
      const error = await failure(signalled as Promise<Receipt>)
      expect(error.code).to.equal('TRANSACTION_ROLLED_BACK')
      expect(error.cause).to.equal(refusal)
      expect(error.message).to.include('sold out')
      await expectNothing()
    })

    it('fails with a signal that is refused, though nobody waits for that', async () => {
      const call = events.transaction(() => {
        shop.order(1)
        events.signal('orders', 1)
        events.signal('', 2)
      })
      expect((await failure(call)).code).to.equal('KEY_INVALID')
      await expectNothing()
    })

    it('fails with a transaction inside it', async () => {
      const call = events.transaction(() => {
        shop.order(1)
        events.transaction(() => {
          throw new Error('inner')
        })
      })
      expect(await call.catch((error: Error) => error.message)).to.equal('inner')
      await expectNothing()
    })

    it('fails with an async function inside it', async () => {
      const call = events.transaction(() => {
        shop.order(1)
        // @ts-expect-error which tells those who compile
        events.transaction(async () => {})
      })
      expect((await failure(call)).code).to.equal('TRANSACTION_ASYNC')
      await expectNothing()
    })

    it('does not call an async function', async () => {
      let called = false
      // @ts-expect-error which tells those who compile
      const call = events.transaction(async () => {
        called = true
      })
      expect((await failure(call)).code).to.equal('TRANSACTION_ASYNC')
      expect(called).to.equal(false)
    })

    it('rolls back where a promise is returned, whatever becomes of that', async () => {
      // @ts-expect-error which tells those who compile
      const call = events.transaction(() => {
        shop.order(1)
        events.signal('orders', 1)
        return Promise.reject(new Error('late'))
      })
      expect((await failure(call)).code).to.equal('TRANSACTION_ASYNC')
      await expectNothing()
    })

    it('refuses what is no function', async () => {
      const call = events.transaction('INSERT' as unknown as () => void)
      expect((await failure(call)).code).to.equal('OPTION_INVALID')
    })

    it('fails with an event that the disk has no room for', async () => {
      shop.db.exec('PRAGMA max_page_count = 1')
      let refused: Promise<Receipt> | undefined
      const call = events.transaction(() => {
        refused = events.signalMany(
          Array.from({ length: 9 }, () => ({ key: 'orders', payload: 'x'.repeat(9000) })),
        ) as unknown as Promise<Receipt>
      })
      expect((await failure(call)).code).to.equal('STORE_FULL')
      expect((await failure(refused as Promise<Receipt>)).code).to.equal('STORE_FULL')
      shop.db.exec('PRAGMA max_page_count = 100000')
      await expectNothing()
    })

    it('rolls back where COMMIT fails, and wakes nobody', async () => {
      const heard: unknown[] = []
      const subscriber = events.subscribe('orders')
      const listening = (async () => {
        for await (const event of subscriber) heard.push(event.payload)
      })()
      const call = events.transaction(() => {
        shop.db.prepare('INSERT INTO lines (of) VALUES (99)').run()
        events.signal('orders', 'never')
      })
      const error = await failure(call)
      expect(error.code).to.equal('STORE_FAILED')
      expect(error.message).to.include('FOREIGN KEY')
      await expectNothing()
      await until(() => heard.length > 0, 'the next event')
      expect(heard).to.deep.equal(['next'])
      await subscriber.return()
      await listening
    })

    it('says so where COMMIT inside it has stored what came before', async () => {
      let before: Promise<Receipt> | undefined
      const call = events.transaction(() => {
        shop.order(1)
        before = events.signal('orders', 'before')
        shop.db.exec('COMMIT')
        events.signal('orders', 'after')
      })
      expect((await failure(call)).code).to.equal('TRANSACTION_ENDED')
      expect((await failure(before as Promise<Receipt>)).code).to.equal('TRANSACTION_ENDED')
      expect(stored()).to.deep.equal(['before'])
      expect(shop.orders()).to.equal(1)
    })

    it('says so too where it throws after a COMMIT inside it, and gives what was thrown as the cause', async () => {
      let before: Promise<Receipt> | undefined
      const call = events.transaction(() => {
        before = events.signal('orders', 'before')
        shop.db.exec('COMMIT')
        throw new Error('too late')
      })
      const error = await failure(call)
      expect(error.code).to.equal('TRANSACTION_ENDED')
      expect((error.cause as Error).message).to.equal('too late')
      expect((await failure(before as Promise<Receipt>)).code).to.equal('TRANSACTION_ENDED')
      expect(stored()).to.deep.equal(['before'])
    })

    it('rejects with what was thrown where SQLite itself has rolled back', async () => {
      shop.db.exec('INSERT INTO orders (id) VALUES (5)')
      const call = events.transaction(() => {
        events.signal('orders', 1)
        shop.db.exec('INSERT OR ROLLBACK INTO orders (id) VALUES (5)')
      })
      expect(await call.catch((error: Error) => error.message)).to.include('UNIQUE')
      expect(stored()).to.deep.equal([])
    })

    it('notices a transaction that was exchanged for another, and rolls that back', async () => {
      const call = events.transaction(() => {
        shop.db.exec('ROLLBACK; BEGIN')
        shop.order(1)
        events.signal('orders', 1)
      })
      expect((await failure(call)).code).to.equal('TRANSACTION_ENDED')
      await expectNothing()
    })

    it('notices a conflict clause that rolled back, though its error was caught', async () => {
      shop.db.exec('INSERT INTO orders (id) VALUES (5)')
      const call = events.transaction(() => {
        events.signal('orders', 1)
        expect(() => shop.db.exec('INSERT OR ROLLBACK INTO orders (id) VALUES (5)')).to.throw()
      })
      expect((await failure(call)).code).to.equal('TRANSACTION_ENDED')
      expect(stored()).to.deep.equal([])
    })
  })

  describe('inside a transaction that the application began itself', () => {
    it('refuses to publish, since it could be rolled back', async () => {
      shop.db.exec('BEGIN')
      const calls = [
        events.signal('orders', 1),
        events.signalMany([{ key: 'orders' }]),
        events.transaction(() => shop.order(1)),
      ]
      const codes = (await Promise.all(calls.map((call) => failure(call)))).map(({ code }) => code)
      expect(codes).to.deep.equal(Array.from({ length: 3 }, () => 'TRANSACTION_OPEN'))
      shop.db.exec('COMMIT')
      const second = shop.events()
      let inside: Promise<Receipt> | undefined
      await events.transaction(() => {
        inside = second.signal('orders', 'of another instance')
        inside.catch(() => {})
      })
      expect((await failure(inside as Promise<Receipt>)).code).to.equal('TRANSACTION_OPEN')
      await events.signal('orders', 2)
      expect(stored()).to.deep.equal([2])
    })

    it('lets a writer wait, and the end of one that has died, as for the lock of another process', async () => {
      const writer = events.writer('answer', { lease: '1s' }).getWriter()
      await writer.write('a')
      const { name } = machineClock()
      other.exec(`INSERT INTO file_signal_writer_leases VALUES ('gone', 'nobody', 1000, '${name}', 1)`)
      shop.db.exec('BEGIN')
      shop.order(1)
      const waiting = [writer.write('b'), events.prune()]
      expect((await failure(events.signal('orders', 1))).code).to.equal('TRANSACTION_OPEN')
      await pause(1200)
      expect(stored()).to.deep.equal(['a'])
      shop.db.exec('COMMIT')
      await Promise.all(waiting)
      await writer.write('c')
      await writer.close()
      expect(stored()).to.have.deep.members(['a', 'b', { reason: 'lost' }, 'c', null])
    })

    it('lets a transaction that was waiting wait on while one is open over several turns', async () => {
      other.exec('BEGIN IMMEDIATE')
      const call = events.transaction(() => shop.order(1))
      shop.db.exec('BEGIN')
      other.exec('COMMIT')
      await pause(30)
      expect(shop.orders()).to.equal(0)
      shop.db.exec('ROLLBACK')
      await call
      expect(shop.orders()).to.equal(1)
    })
  })

  describe('while another process holds the lock', () => {
    it('keeps the order of the calls, and leaves the event loop free', async () => {
      const timeout = JSON.stringify(shop.db.prepare('PRAGMA busy_timeout').get())
      other.exec('BEGIN IMMEDIATE')
      const begin = performance.now()
      const calls: Promise<unknown>[] = []
      for (const i of [0, 2, 4]) {
        calls.push(
          events.transaction(() => {
            shop.order(i)
            events.signal('orders', i)
            if (i === 2) throw new Error('no')
          }),
        )
        calls.push(events.signal('orders', i + 1))
      }
      let [longest, last] = [0, begin]
      await until(() => {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
        return last - begin > 300
      }, 'a busy while')
      other.exec('COMMIT')
      // The lock is free, and the others were first.
      calls.push(
        events.transaction(() => {
          events.signal('orders', 'last')
        }),
      )
      await Promise.allSettled(calls)
      expect(stored()).to.deep.equal([0, 1, 3, 4, 5, 'last'])
      // Waiting inside SQLite would take the five seconds that the shop has set.
      expect(longest).to.be.below(500)
      expect(JSON.stringify(shop.db.prepare('PRAGMA busy_timeout').get())).to.equal(timeout)
    })

    it('is closed only after the transaction that waits', async () => {
      other.exec('BEGIN IMMEDIATE')
      const call = events.transaction(() => shop.order(1))
      const closing = events.close()
      other.exec('COMMIT')
      await closing
      await call
      expect(shop.orders()).to.equal(1)
      expect((await failure(events.transaction(() => {}))).code).to.equal('CLOSED')
    })
  })
})

function wakesOf({ streams }: FileSignalStats): unknown {
  return streams.wakes
}

describe('a transaction without a database of the application', () => {
  const places: [string, PayloadFactory | undefined][] = [
    ['the own store', undefined],
    ['the memory engine', memory()],
  ]
  for (const [what, payload] of places) {
    it(`stores its events together or not at all in ${what}`, async () => {
      const events = createFileSignal({ root: freshFolder(), ...(payload ? { payload } : {}) })
      const call = events.transaction(() => {
        events.signal('a', 1)
        throw new Error('no')
      })
      expect(await call.catch((error: Error) => error.message)).to.equal('no')
      let second: Promise<Receipt> | undefined
      await events.transaction(() => {
        events.signal('a', 2)
        second = events.end('a')
      })
      expect((await second)?.id).to.match(/-2$/)
      expect(await events.transaction(() => 'nothing published')).to.equal('nothing published')
      expect((await events.stats()).store.rows).to.equal(2)
      await events.close()
    })
  }

  it('is refused by an engine that has none', async () => {
    const payload: PayloadFactory = (site) => {
      const { transaction: _, ...engine } = memory()(site)
      return engine
    }
    const events = createFileSignal({ root: freshFolder(), payload })
    expect((await failure(events.transaction(() => {}))).code).to.equal('TRANSACTION_UNSUPPORTED')
    await events.close()
  })
})
