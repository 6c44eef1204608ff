import { expect } from 'chai'
import type {
  Claimed,
  Head,
  Journal,
  Leases,
  Mailbox,
  NewRow,
  Page,
  PayloadEngine,
  PayloadFactory,
  PayloadSite,
} from '../../dist/payload/engine.js'
import { skip } from './skip.js'
import { until } from './wait.js'

/** A row to append; the payload is any JSON value. */
export function row(key: string, payload: unknown, more: Partial<NewRow> = {}): NewRow {
  return { key, event: null, payload: JSON.stringify(payload), kind: 'event', dedupe: null, ...more }
}

/** A site for an engine that is tested alone; failures nobody waits for end up in `reports`. */
export function site(
  more: Partial<PayloadSite> = {},
): PayloadSite & { reports: unknown[]; database: () => string } {
  const reports: unknown[] = []
  return {
    database: () => {
      throw new Error('this engine keeps no file')
    },
    mode: 0o600,
    group: null,
    retention: null,
    newestSignal: () => null,
    onCommit: () => {},
    report: (error) => reports.push(error),
    ...more,
    reports,
  }
}

/** Everything of some keys after row `n`, in pages of `maxRows`. */
export async function readAll(
  engine: PayloadEngine,
  keys: string[],
  n = 0,
  maxRows = 256,
): Promise<{ pages: Page[]; payloads: unknown[] }> {
  const pages: Page[] = []
  const { epoch } = await engine.head()
  for (let after = n; ; ) {
    const page = await engine.read({
      after: { epoch, n: after },
      keys: new Set(keys),
      maxRows,
      maxBytes: 256 * 1024,
    })
    pages.push(page)
    after = page.to
    if (page.to >= page.head.n) break
  }
  return { pages, payloads: pages.flatMap((page) => page.rows.map((found) => JSON.parse(found.payload))) }
}

/**
 * What every payload engine owes its readers. `open` makes a fresh, empty store each time, with the
 * given site options, and of a mailbox with the lease in milliseconds; the suite closes it.
 */
export function payloadContract(
  name: string,
  open: (
    site: Partial<PayloadSite>,
    timing?: { lease: number },
  ) => { factory: PayloadFactory; site: PayloadSite },
): void {
  describe(`payload engine ${name} keeps the contract`, () => {
    let engine: PayloadEngine

    function use(options: Partial<PayloadSite> = {}, timing?: { lease: number }): PayloadEngine {
      const opened = open(options, timing)
      engine = opened.factory(opened.site)
      return engine
    }

    async function page(
      keys: string[],
      after: Head | { epoch: string; n: number },
      maxRows = 256,
      maxBytes = 1e6,
    ) {
      return engine.read({ after, keys: new Set(keys), maxRows, maxBytes })
    }

    afterEach(() => engine.close())

    it('begins at row 0 with an epoch that fits an id', async () => {
      const head = await use().head()
      expect(head.n).to.equal(0)
      expect(head.start).to.equal(0)
      expect(head.epoch).to.match(/^[0-9a-z]{4,32}$/)
    })

    it('numbers rows in the order of the calls, also when nobody waits', async () => {
      use()
      const acknowledged = await Promise.all(
        Array.from({ length: 50 }, (_, i) => engine.append([row('a', i)])),
      )
      const numbers = acknowledged.map((appended) => appended.rows[0]?.n)
      expect(numbers).to.deep.equal(Array.from({ length: 50 }, (_, i) => i + 1))
      expect((await readAll(engine, ['a'])).payloads).to.deep.equal(Array.from({ length: 50 }, (_, i) => i))
    })

    it('calls onCommit with the newest row as soon as something is stored, and else not', async () => {
      const heads: number[] = []
      use({ onCommit: ({ n }) => heads.push(n) })
      const first = engine.append([row('a', 1, { dedupe: 'x' }), row('a', 2)])
      if (engine.commitsOnCall) expect(heads).to.deep.equal([2])
      await first
      await engine.append([row('a', 3, { dedupe: 'x' })])
      expect(heads).to.deep.equal([2])
    })

    it('gives back what was stored: key, event, payload, kind and time', async () => {
      use()
      const start = Date.now()
      await engine.append([row('ключ', { a: ['é', '\u0000', '😀', null] }, { event: 'name' })])
      await engine.append([row('ключ', null, { kind: 'end' })])
      const head = await engine.head()
      const { rows } = await page(['ключ'], { epoch: head.epoch, n: 0 })
      expect(rows[0]).to.include({ n: 1, key: 'ключ', event: 'name', kind: 'event' })
      expect(JSON.parse(rows[0]?.payload ?? '')).to.deep.equal({ a: ['é', '\u0000', '😀', null] })
      expect(rows[0]?.createdAt).to.be.within(start - 1, Date.now() + 1)
      expect(rows[1]).to.include({ n: 2, event: null, kind: 'end' })
    })

    it('stores a dedupe key once per key, and answers with the first row', async () => {
      use()
      const first = await engine.append([row('a', 1, { dedupe: 'x' })])
      const again = await engine.append([row('a', 2, { dedupe: 'x' }), row('b', 3, { dedupe: 'x' })])
      expect(again.rows[0]).to.deep.equal({ n: first.rows[0]?.n, stored: false })
      expect(again.rows[1]?.stored).to.equal(true)
      expect((await readAll(engine, ['a', 'b'])).payloads).to.deep.equal([1, 3])
    })

    it('reads only the asked keys, in the order of their rows', async () => {
      use()
      await engine.append(['a', 'b', 'c', 'a', 'b'].map((key, i) => row(key, i)))
      expect((await readAll(engine, ['c', 'a'])).payloads).to.deep.equal([0, 2, 3])
      const nobody = await readAll(engine, ['nobody'])
      expect(nobody.payloads).to.deep.equal([])
      expect(nobody.pages[0]?.to).to.equal(5)
    })

    for (const keys of [1, 3, 40]) {
      it(`pages through ${keys} keys without gap or repeat`, async () => {
        use()
        const names = Array.from({ length: keys }, (_, i) => `key${i}`)
        const rows = Array.from({ length: 5200 }, (_, i) => row(i % 3 === 0 ? 'other' : `key${i % keys}`, i))
        await engine.append(rows)
        const wanted = rows.filter((one) => one.key !== 'other').map((one) => JSON.parse(one.payload))
        const { pages, payloads } = await readAll(engine, names, 0, 100)
        expect(payloads).to.deep.equal(wanted)
        for (const [i, one] of pages.entries()) {
          expect(one.rows.length).to.be.at.most(100)
          expect(one.from).to.equal(i === 0 ? 0 : pages[i - 1]?.to)
        }
      })
    }

    it('ends a page at its bytes, with at least one row in it', async () => {
      use()
      await engine.append(Array.from({ length: 10 }, (_, i) => row('a', `${i}${'x'.repeat(999)}`)))
      const head = await engine.head()
      const some = await page(['a'], { epoch: head.epoch, n: 0 }, 256, 2500)
      expect(some.rows.length).to.equal(3)
      expect(some.to).to.equal(3)
      const one = await page(['a'], { epoch: head.epoch, n: 3 }, 256, 1)
      expect(one.rows.map((found) => found.n)).to.deep.equal([4])
    })

    it('answers a cursor of another epoch with an empty page that ends where this epoch began', async () => {
      use()
      await engine.append([row('a', 1)])
      const answer = await page(['a'], { epoch: 'otherone', n: 0 })
      expect(answer.rows).to.deep.equal([])
      expect(answer.to).to.equal(answer.head.start)
      expect(answer.head.epoch).to.equal((await engine.head()).epoch)
    })

    it('tells which keys have ended as of a row', async () => {
      use()
      await engine.append([row('a', 1), row('a', null, { kind: 'end' }), row('b', 2), row('a', 3)])
      expect([...(await engine.ended(['a', 'b', 'c'], 1))]).to.deep.equal([])
      expect([...(await engine.ended(['a', 'b', 'c'], 3))]).to.deep.equal([['a', 2]])
      expect([...(await engine.ended(['a', 'b', 'c'], 4))]).to.deep.equal([])
    })

    it('finds the place before the newest events of some keys', async () => {
      use()
      await engine.append([row('a', 1), row('b', 2), row('c', 3), row('a', 4)])
      expect(await engine.before(['a', 'b'], 1)).to.equal(3)
      expect(await engine.before(['a', 'b'], 2)).to.equal(1)
      expect(await engine.before(['a', 'b'], 3)).to.equal(0)
      expect(await engine.before(['a', 'b'], 99)).to.equal(0)
      expect(await engine.before(['a', 'b'], Number.POSITIVE_INFINITY)).to.equal(0)
    })

    it('prunes by count, marks what it pruned for its own key only, and never reuses a number', async () => {
      use({ retention: { maxPerKey: 3 } })
      await engine.append([row('quiet', 'q')])
      await engine.append(Array.from({ length: 10 }, (_, i) => row('busy', i)))
      await engine.prune()
      const head = await engine.head()
      const start = { epoch: head.epoch, n: 0 }
      expect((await page(['busy'], start)).rows.map((found) => found.n)).to.deep.equal([9, 10, 11])
      expect([...(await page(['busy'], start)).pruned]).to.deep.equal([['busy', 8]])
      expect([...(await page(['quiet'], start)).pruned]).to.deep.equal([])
      expect([...(await page(['busy'], { epoch: head.epoch, n: 8 })).pruned]).to.deep.equal([])
      const many = Array.from({ length: 30 }, (_, i) => `k${i}`)
      expect([...(await page([...many, 'busy', 'quiet'], start)).pruned]).to.deep.equal([['busy', 8]])
      expect((await engine.append([row('busy', 'next')])).rows[0]?.n).to.equal(12)
    })

    it('remembers an end whose row was pruned', async () => {
      use({ retention: { maxPerKey: 1 } })
      await engine.append([row('a', 1), row('a', null, { kind: 'end' })])
      await engine.append([row('b', 1), row('b', null, { kind: 'end' }), row('b', 2)])
      await engine.prune()
      expect([...(await engine.ended(['a', 'b'], 5))]).to.deep.equal([['a', 2]])
    })

    it('prunes by total bytes, oldest first', async () => {
      use({ retention: { maxBytes: 200_000 } })
      for (let i = 0; i < 100; i += 1) await engine.append([row('a', `${i}${'x'.repeat(8000)}`)])
      await engine.prune()
      const stats = await engine.stats()
      expect(stats.bytes).to.be.at.most(200_000)
      expect(stats.rows).to.be.within(8, 30)
      const { payloads } = await readAll(engine, ['a'], 100 - stats.rows)
      expect(payloads.length).to.equal(stats.rows)
    })

    it('prunes by age, and lets a dedupe key go with its row', async () => {
      use({ retention: { maxAge: 1 } })
      await engine.append([row('a', 1, { dedupe: 'x' })])
      const stored = Date.now()
      while (Date.now() < stored + 3) await engine.head()
      await engine.prune()
      expect((await engine.stats()).rows).to.equal(0)
      const again = await engine.append([row('a', 2, { dedupe: 'x' })])
      expect(again.rows[0]).to.deep.equal({ n: 2, stored: true })
    })

    describe('with transactions', () => {
      beforeEach(function () {
        if (!use().transaction) skip(this, `${name} has no transactions`)
      })

      it('stores what a transaction appends together, with one wake-up', async () => {
        const heads: number[] = []
        await engine.close()
        use({ onCommit: ({ n }) => heads.push(n) })
        const transacted = await engine.transaction?.((append) => {
          append([row('a', 1, { dedupe: 'x' })])
          append([row('b', 2), row('a', 3, { dedupe: 'x' })])
        })
        expect(transacted?.rows).to.deep.equal([
          { n: 1, stored: true },
          { n: 2, stored: true },
          { n: 1, stored: false },
        ])
        expect(transacted?.epoch).to.equal((await engine.head()).epoch)
        expect(heads).to.deep.equal([2])
      })

      it('stores nothing of a transaction that throws, and rejects with what it threw', async () => {
        const refusal = new Error('no')
        const call = engine.transaction?.((append) => {
          append([row('a', 1)])
          throw refusal
        })
        expect(await call?.catch((error: unknown) => error)).to.equal(refusal)
        expect((await engine.head()).n).to.equal(0)
        expect((await engine.append([row('a', 2)])).rows[0]?.n).to.equal(1)
      })
    })

    it('counts its rows and keys, and can be closed twice', async () => {
      use()
      await engine.append([row('a', 1), row('b', 2), row('a', 3)])
      expect(await engine.stats()).to.include({ head: 3, rows: 3, keys: 2 })
      const { bytes } = await engine.stats()
      const many = Array.from({ length: 1998 }, (_, i) => row(`key ${i}`, 'x'.repeat(100)))
      await engine.append(many)
      expect(await engine.stats()).to.include({ rows: 2001, keys: 2000 })
      expect((await engine.stats()).bytes - bytes).to.be.within(1998 * 100, 1998 * 500)
      await engine.append([row('one more', 0)])
      expect(await engine.stats()).to.include({ rows: 2002, keys: 2001 })
      await engine.close()
    })

    describe('with a journal, if it keeps one', () => {
      let journal: Journal
      const WIDE = { maxRows: 100, payloadBytes: 1000 }

      beforeEach(function () {
        const found = use().journal
        if (found) journal = found
        else skip(this, `${name} has no journal`)
      })

      it('shows the newest rows of all keys, oldest first, as they are stored', async () => {
        expect((await journal.read({ after: null, ...WIDE })).rows).to.deep.equal([])
        await engine.append([
          row('a', { x: 1 }, { event: 'e' }),
          row('b', 2),
          row('a', null, { kind: 'end' }),
        ])
        const page = await journal.read({ after: null, ...WIDE })
        expect(page.head).to.deep.equal(await engine.head())
        expect(page.rows.map(({ createdAt: _, ...shown }) => shown)).to.deep.equal([
          { n: 1, key: 'a', event: 'e', payload: '{"x":1}', kind: 'event', bytes: 7 },
          { n: 2, key: 'b', event: null, payload: '2', kind: 'event', bytes: 1 },
          { n: 3, key: 'a', event: null, payload: 'null', kind: 'end', bytes: 4 },
        ])
        const read = await engine.read({
          after: { ...page.head, n: 0 },
          keys: new Set(['b']),
          maxRows: 1,
          maxBytes: 1,
        })
        expect(page.rows[1]?.createdAt).to.equal(read.rows[0]?.createdAt)
        expect(page.skipped).to.equal(false)
      })

      it('goes on after a cursor, and says where it skipped rows', async () => {
        await engine.append(Array.from({ length: 10 }, (_, i) => row('a', i)))
        const { epoch } = await engine.head()
        const numbers = async (after: { epoch: string; n: number } | null, maxRows: number) => {
          const { rows, skipped } = await journal.read({ after, maxRows, payloadBytes: 10 })
          return [...rows.map(({ n }) => n), skipped]
        }
        expect(await numbers({ epoch, n: 7 }, 5)).to.deep.equal([8, 9, 10, false])
        expect(await numbers({ epoch, n: 7 }, 3)).to.deep.equal([8, 9, 10, false])
        expect(await numbers({ epoch, n: 7 }, 2)).to.deep.equal([9, 10, true])
        expect(await numbers({ epoch, n: 10 }, 2)).to.deep.equal([false])
        expect(await numbers(null, 2)).to.deep.equal([9, 10, false])
        expect(await numbers({ epoch: 'another', n: 9 }, 2), 'another epoch').to.deep.equal([9, 10, false])
      })

      it('cuts payloads to whole characters, and tells how long they were', async () => {
        await engine.append([row('a', 'äöü😀'), row('a', 'abc')])
        const cut = async (payloadBytes: number) =>
          (await journal.read({ after: null, maxRows: 9, payloadBytes })).rows.map(({ payload }) => payload)
        expect(await cut(100)).to.deep.equal(['"äöü😀"', '"abc"'])
        expect(await cut(8)).to.deep.equal(['"äöü', '"abc"'])
        expect(await cut(4)).to.deep.equal(['"ä', '"abc'])
        expect(await cut(0)).to.deep.equal(['', ''])
        const { rows } = await journal.read({ after: null, maxRows: 9, payloadBytes: 4 })
        expect(rows.map(({ bytes }) => bytes)).to.deep.equal([12, 5])
      })

      it('knows the busiest keys of late', async () => {
        await engine.append(['a', 'b', 'b', 'c', 'a', 'b'].map((key) => row(key, 0)))
        const keys = await journal.keys({ limit: 2 })
        expect(keys.map(({ key, rows, newest }) => [key, rows, newest])).to.deep.equal([
          ['b', 3, 6],
          ['a', 2, 5],
        ])
        const { rows } = await journal.read({ after: null, ...WIDE })
        expect(keys.map(({ createdAt }) => createdAt)).to.deep.equal([rows[5]?.createdAt, rows[4]?.createdAt])
        expect(await journal.keys({ limit: 9 })).to.have.length(3)
      })
    })

    describe('as a mailbox, if it is one', () => {
      let mailbox: Mailbox

      beforeEach(async function () {
        const found = use().mailbox
        if (found) mailbox = found
        else skip(this, `${name} is no mailbox`)
        await engine.append([row('a', 1), row('b', 2), row('a', 3), row('c', 4)])
      })

      let asked = 0
      const claim = (count: number, keys = ['a', 'b']): Promise<Claimed> => {
        asked += 1
        return mailbox.claim({ keys, count, holder: `holder ${asked}` })
      }
      const numbers = ({ rows }: Claimed) => rows.map(({ n }) => n)
      const claims = ({ rows }: Claimed, holder = asked) =>
        rows.map(({ n }) => ({ n, holder: `holder ${holder}` }))

      it('claims the oldest events of the asked keys, each once, and says whether there are more', async () => {
        const first = await claim(2)
        expect(numbers(first)).to.deep.equal([1, 2])
        expect(first.rows[0]).to.include({ key: 'a', payload: '1', kind: 'event' })
        expect(first).to.include({ epoch: (await engine.head()).epoch, left: true, over: null })
        expect(numbers(await claim(9))).to.deep.equal([3])
        expect(await claim(9)).to.deep.include({ rows: [], left: true, over: null })
        expect((await claim(9, ['c'])).left, 'more than the one').to.equal(false)
      })

      it('never claims an event twice, also when many ask at once', async () => {
        await engine.append(Array.from({ length: 100 }, (_, i) => row('a', i)))
        const all = await Promise.all(Array.from({ length: 30 }, () => claim(7)))
        const claimed = all.flatMap(numbers).sort((a, b) => a - b)
        expect(claimed).to.deep.equal([1, 2, 3, ...Array.from({ length: 100 }, (_, i) => i + 5)])
      })

      it('claims nothing where none is asked for', async () => {
        expect(numbers(await claim(0))).to.deep.equal([])
        expect(numbers(await claim(9))).to.deep.equal([1, 2, 3])
      })

      it('deletes what was taken, and marks it as pruned for its own key', async () => {
        const first = await claim(2)
        await mailbox.taken(claims(first))
        expect((await engine.stats()).rows).to.equal(2)
        const rest = await page(['a', 'b', 'c'], { epoch: first.epoch, n: 0 })
        expect(rest.rows.map(({ n }) => n)).to.deep.equal([3, 4])
        expect([...rest.pruned].sort()).to.deep.equal([
          ['a', 1],
          ['b', 2],
        ])
        expect((await engine.append([row('a', 5)])).rows[0]?.n).to.equal(5)
      })

      it('lets what was given back be claimed again at once, and nothing of another holder', async () => {
        const first = await claim(1)
        await mailbox.giveBack([{ n: 1, holder: 'somebody else' }])
        await mailbox.taken([{ n: 1, holder: 'somebody else' }])
        expect(numbers(await claim(1))).to.deep.equal([2])
        await mailbox.giveBack(claims(first, asked - 1))
        expect(numbers(await claim(1))).to.deep.equal([1])
      })

      it('lets a claim be claimed by others when its lease is over, and then takes nothing from them', async () => {
        await engine.close()
        const late = use({}, { lease: 20 }).mailbox as Mailbox
        await engine.append([row('a', 1)])
        const first = await late.claim({ keys: ['a'], count: 1, holder: 'slow' })
        expect(numbers(first)).to.deep.equal([1])
        const again = await until(async () => {
          const found = await late.claim({ keys: ['a'], count: 1, holder: 'next' })
          return found.rows.length > 0 && found
        }, 'the end of the lease')
        expect(numbers(again)).to.deep.equal([1])
        await late.taken([{ n: 1, holder: 'slow' }])
        expect((await engine.stats()).rows).to.equal(1)
        await late.taken([{ n: 1, holder: 'next' }])
        expect((await engine.stats()).rows).to.equal(0)
      })

      it('is over when every key has ended and every event is taken, held ones too', async () => {
        await engine.append([row('a', null, { kind: 'end' }), row('b', null, { kind: 'end' })])
        const all = await claim(9)
        expect(all).to.include({ left: false, over: null })
        expect(await claim(9), 'all are held').to.include({ left: true, over: null })
        await mailbox.taken(claims(all, asked - 1))
        expect([...((await claim(9)).over ?? [])].sort()).to.deep.equal([
          ['a', 5],
          ['b', 6],
        ])
        expect((await claim(9, ['a', 'b', 'c'])).over).to.equal(null)
        await engine.append([row('a', 'again')])
        const again = await claim(9)
        expect(again).to.include({ left: false, over: null })
        await mailbox.taken(claims(again))
        expect(await claim(9), 'a came after its end, and is gone').to.include({ left: false, over: null })
      })

      it('keeps no claim on what was pruned', async () => {
        await engine.close()
        const small = use({ retention: { maxPerKey: 2 } }).mailbox as Mailbox
        await engine.append([row('a', 1), row('a', 2), row('a', 3)])
        const first = await small.claim({ keys: ['a'], count: 1, holder: 'x' })
        await engine.prune()
        await small.taken(claims(first).map(({ n }) => ({ n, holder: 'x' })))
        expect(numbers(await small.claim({ keys: ['a'], count: 9, holder: 'y' }))).to.deep.equal([2, 3])
      })
    })

    describe('with leases', () => {
      let leases: Leases

      beforeEach(function () {
        const found = use().leases
        if (found) leases = found
        else skip(this, `${name} has no leases`)
      })

      const event = (payload: unknown, holder: string, lasts = 60_000) =>
        row('a', payload, { lease: { holder, lasts } })
      const end = (holder: string, ifOver = false) =>
        row('a', null, { kind: 'end', lease: { holder, lasts: 0, ifOver } })
      const stored = async (...rows: NewRow[]) => (await engine.append(rows)).rows.map((one) => one.stored)
      const payloads = async () => (await readAll(engine, ['a', 'b'])).payloads

      it('gives a key to one holder, also when many ask at once', async () => {
        const asked = await Promise.all(['x', 'y', 'z'].map((holder) => leases.take('a', holder, 60_000)))
        expect(asked.filter(Boolean).length).to.equal(1)
        expect(await leases.take('b', 'x', 60_000)).to.equal(true)
        expect(await leases.overdue()).to.deep.equal([])
      })

      it('stores the rows of the holder alone, and refuses others without harm to their neighbours', async () => {
        await leases.take('a', 'x', 60_000)
        expect(await stored(event(1, 'x'), event(2, 'y'), row('b', 3), event(4, 'nobody'))).to.deep.equal([
          true,
          false,
          true,
          false,
        ])
        expect((await engine.append([event(5, 'y')])).rows).to.deep.equal([{ n: 0, stored: false }])
        expect(await payloads()).to.deep.equal([1, 3])
      })

      it('gives the key free with its end, and stores nothing of the holder afterwards', async () => {
        await leases.take('a', 'x', 60_000)
        expect(await stored(event(1, 'x'), end('x'), event(2, 'x'), end('x'))).to.deep.equal([
          true,
          true,
          false,
          false,
        ])
        expect(await leases.renew('a', 'x', 60_000)).to.equal(false)
        expect(await leases.take('a', 'y', 60_000)).to.equal(true)
      })

      it('loses a lease to an end of anybody, and not to an event', async () => {
        await leases.take('a', 'x', 60_000)
        expect(await stored(row('a', 'mine too'), event(1, 'x'))).to.deep.equal([true, true])
        expect(await stored(row('a', null, { kind: 'end' }), event(2, 'x'))).to.deep.equal([true, false])
        expect(await leases.renew('a', 'x', 60_000)).to.equal(false)
      })

      it('tells what is over, which is still held, until it is ended once', async () => {
        await leases.take('a', 'x', 60_000)
        expect(await stored(end('x', true))).to.deep.equal([false])
        expect(await leases.renew('a', 'x', -1)).to.equal(true)
        expect(await leases.overdue()).to.deep.equal([{ key: 'a', holder: 'x' }])
        expect(await leases.take('a', 'y', 60_000)).to.equal(false)
        const ends = await Promise.all(Array.from({ length: 5 }, () => stored(end('x', true))))
        expect(ends.flat().filter(Boolean).length).to.equal(1)
        expect(await leases.overdue()).to.deep.equal([])
        expect(await leases.take('a', 'y', 60_000)).to.equal(true)
      })

      it('prolongs a lease with each event and each renewal, an overdue one too', async () => {
        await leases.take('a', 'x', -1)
        expect(await stored(event(1, 'x'))).to.deep.equal([true])
        expect(await leases.overdue()).to.deep.equal([])
        await leases.renew('a', 'x', -1)
        await leases.renew('a', 'x', 60_000)
        expect(await leases.overdue()).to.deep.equal([])
        expect(await leases.renew('a', 'y', 60_000)).to.equal(false)
      })
    })
  })
}
