import type { ServerResponse } from 'node:http'
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { type ClientPage, openClientPage, ready, type Script, say } from './setup/client-page.js'
import { startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { until } from './support/wait.js'

describe('the client', () => {
  let browser: Browser
  let client: ClientPage

  before(async function () {
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
    client = await openClientPage(browser)
  })
  after(async () => {
    await client?.close()
    await browser?.close()
  })
  afterEach(() => client.end())

  const answer =
    (status: number, headers: Record<string, string> = {}): Script =>
    (response) =>
      void response.writeHead(status, headers).end('<p>')
  /** State and reason, one after the other. */
  const way = async () => (await client.states()).map(({ state, reason }) => `${state} ${reason}`)
  const last = async () => (await client.states()).at(-1)

  describe('says how it stands', () => {
    for (const status of [400, 401, 403, 404, 405, 406, 410, 451]) {
      it(`closed: refused, after ${status}, which is asked for once`, async () => {
        await client.begin(answer(status))
        await client.until('refused')
        expect(await last()).to.deep.equal({
          state: 'closed',
          reason: 'refused',
          status,
          role: 'alone',
          message: `the server refuses the stream: check the login (status ${status}, no type)`,
        })
        expect(client.asked).to.have.lengthOf(1)
      })
    }

    for (const status of [408, 425, 429, 500, 502, 503, 504]) {
      it(`waiting: server, after ${status}`, async () => {
        await client.begin(answer(status))
        await client.until('server')
        const { message, ...rest } = (await last()) ?? {}
        expect(rest).to.deep.equal({
          state: 'waiting',
          reason: 'server',
          status,
          retryIn: 3000,
          role: 'alone',
        })
        expect(message).to.equal(`the server is away (status ${status}, no type)`)
      })
    }

    it('closed: ended, after 204', async () => {
      await client.begin(answer(204))
      await client.until('ended')
      expect(await way()).to.deep.equal(['connecting start', 'closed ended'])
    })

    it('closed: not-a-stream, for a page of HTML, which it names', async () => {
      await client.begin(answer(200, { 'Content-Type': 'text/html' }))
      await client.until('not-a-stream')
      const { message, state, status } = (await last()) ?? {}
      expect([state, status]).to.deep.equal(['closed', 200])
      expect(message).to.equal('the answer is no event stream: check the address (status 200, text/html)')
      expect(client.asked).to.have.lengthOf(1)
    })

    it('waiting, where an address that has been a stream answers with a page for a while', async () => {
      await client.begin((response, n, request) => {
        if (n === 2) return answer(200, { 'Content-Type': 'text/html' })(response, n, request)
        say(response, ready('aaaa-1'))
        if (n === 1) response.end()
      })
      await until(
        async () => (await way()).filter((step) => step === 'open ready').length === 2,
        'the stream',
      )
      expect(await way()).to.deep.equal([
        'connecting start',
        'open ready',
        'waiting cut',
        'connecting cut',
        'waiting not-a-stream',
        'connecting not-a-stream',
        'open ready',
      ])
    })

    it('closed: too-long, for a line that does not end', async () => {
      await client.begin((response) => {
        say(response, 'data: ')
        const piece = 'x'.repeat(1024 * 1024)
        const more = () => response.write(piece, (error) => error ?? more())
        more()
      })
      await client.until('too-long')
      expect(await last()).to.deep.include({ state: 'closed', message: 'an event is too long' })
      await until(() => client.asked[0]?.destroyed, 'the end of the request')
      expect(client.asked).to.have.lengthOf(1)
    })

    it('waiting: network, where nobody answers, and longer each time', async () => {
      await client.begin((response, n) => {
        if (n > 1) return response.destroy()
        say(response, ready('aaaa-1'))
        response.end()
      })
      await until(() => client.asked.length >= 6, 'some tries')
      const pauses = (await client.states()).flatMap(({ retryIn }) => retryIn ?? [])
      expect(pauses[0]).to.equal(20)
      for (const [i, ms] of pauses.entries()) expect(ms).to.be.within(20, 20 + 20 * 2 ** i)
      expect((await way()).slice(-2).join()).to.match(/network/)
      expect((await client.states()).find(({ reason }) => reason === 'network')?.message).to.match(
        /^no answer: the server is away, or refuses this origin \(/,
      )
    })

    it('buffered: held, where a stream is silent and a probe is not, and open again when a probe is not held', async () => {
      const hello = 'event: hello\ndata: {"keys":"k"}\n\n'
      const modes: (string | null)[] = []
      let isClear = false
      let n = 1
      await client.begin(
        (response, _n, { url = '' }) => {
          const query = new URL(url, client.url).searchParams
          const mode = query.get('mode')
          modes.push(`${mode} ${query.get('lastEventId')}`)
          if (mode === 'probe') {
            say(response, hello)
            setTimeout(() => response.end(hello), isClear ? 300 : 0)
          } else if (mode === 'short') {
            n += 1
            if (n > 3) return
            say(response, `${ready('aaaa-1')}${hello}id: aaaa-${n}\ndata: ${n}\n\n`)
            response.end()
          } else if (isClear) say(response, ready('aaaa-3'))
        },
        { after: 'aaaa-1' },
        ['message'],
      )
      await client.until('held')
      await until(() => modes.length === 5, 'the answer that is waited for')
      await client.page.evaluate("dispatchEvent(new Event('online'))")
      await until(() => client.asked[5]?.destroyed, 'a probe that is held')
      isClear = true
      await client.page.evaluate("dispatchEvent(new Event('online'))")
      await client.until('ready')
      expect(modes).to.deep.equal([
        'null aaaa-1',
        'probe null',
        'short aaaa-1',
        'short aaaa-2',
        'short aaaa-3',
        'probe null',
        'probe null',
        'null aaaa-3',
      ])
      expect((await client.heard()).map(([, data]) => data)).to.deep.equal([2, 3])
      expect(await way()).to.deep.equal([
        'connecting start',
        'buffered held',
        'connecting held',
        'open ready',
      ])
      expect((await client.states())[1]?.message).to.equal('a proxy holds the stream back: events come late')
    })

    it('closed: asked, by close(), which is said once, and nothing goes on behind it', async () => {
      await client.begin((response) => say(response, ready('aaaa-1')))
      await client.until('ready')
      await client.page.evaluate('live.close(), live.close()')
      await until(() => client.asked[0]?.destroyed, 'the end of the request')
      expect(await way()).to.deep.equal(['connecting start', 'open ready', 'closed asked'])
      expect((await last())?.message).to.equal('the page has ended the stream')
    })

    it('connecting: silent, after two and a half heartbeats without a byte, or sooner when the page is back', async () => {
      await client.begin((response, n) => say(response, ready('aaaa-1', n === 1 ? 200 : 1200)))
      await client.until('silent')
      await until(() => client.asked.length === 2, 'the next request')
      expect(client.queries()[1]?.get('lastEventId')).to.equal('aaaa-1')
      const began = Date.now()
      await until(async () => {
        await client.page.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
        return client.asked.length === 3
      }, 'another connection')
      expect(Date.now() - began).to.be.lessThan(2900)
      expect((await way()).slice(0, 4)).to.deep.equal([
        'connecting start',
        'open ready',
        'connecting silent',
        'open ready',
      ])
    })

    it('connecting: silent, though the clock is set back', async () => {
      await client.begin((response) => say(response, ready('aaaa-1')))
      await client.until('ready')
      await client.page.evaluate('{ const { now } = Date; window.back = () => { Date.now = now } }')
      await client.page.evaluate('{ const { now } = Date; Date.now = () => now() - 3_600_000 }')
      await client.page.evaluate("dispatchEvent(new Event('online'))")
      await client.until('silent')
      await client.page.evaluate('back()')
    })

    it('waiting: offline, until there is a network again', async () => {
      await client.begin((response) => say(response, ready('aaaa-1')))
      await client.until('ready')
      await client.page.context().setOffline(true)
      client.asked[0]?.destroy()
      await client.until('offline')
      expect(await last()).to.deep.equal({
        state: 'waiting',
        reason: 'offline',
        message: 'the page is offline',
        role: 'alone',
      })
      await client.page.context().setOffline(false)
      await until(async () => (await way()).at(-1) === 'open ready', 'the stream')
      expect(client.asked).to.have.lengthOf(2)
    })
  })

  describe('comes back', () => {
    it('not before Retry-After, in seconds or as a date, of at most an hour', async () => {
      const date = new Date(Date.now() + 100_000).toUTCString()
      for (const [given, least] of [
        ['7', 7000],
        [date, 95_000],
        ['999999', 3_600_000],
        ['soon', 3000],
      ] as const) {
        await client.begin(answer(503, { 'Retry-After': given }))
        const { retryIn } = (await client.until('server')).at(-1) ?? {}
        expect(retryIn).to.be.within(least, least + 8000)
        await client.page.evaluate("dispatchEvent(new Event('online')), fetch('/').then(() => 0)")
        if (given === 'soon') await until(() => client.asked.length === 2, 'the next request')
        else expect(client.asked).to.have.lengthOf(1)
        await client.page.evaluate('live.close()')
      }
    })

    it('in no tight loop to a server that says no more than ready, or retry: 0', async () => {
      await client.begin((response) => {
        say(response, `${ready('aaaa-1')}retry: 0\n\n`)
        response.end()
      })
      await until(() => client.asked.length >= 4, 'some tries')
      const pauses = (await client.states()).flatMap(({ retryIn }) => retryIn ?? [])
      expect(Math.min(...pauses)).to.be.at.least(20)
      await until(async () => (await client.states()).some(({ retryIn = 0 }) => retryIn > 100), 'long pauses')
    })

    it('after its own cursor, which ready gives, id-only blocks move, and a reset moves back', async () => {
      const answers = [
        `${ready('aaaa-5')}event: hello\ndata: {"keys":null}\n\nid: aaaa-6\n\n`,
        ready('aaaa-8'),
        `${ready('aaaa-9')}event: reset\nid: aaaa-2\ndata: {"reason":"ahead"}\n\n`,
        `${ready('aaaa-2')}id: aaaa-3\ndata: 3\n\nid: aaaa-2\ndata: "again"\n\nid: aaaa-3\ndata: 3\n\nid: aaaa-4\ndata: 4\n\n`,
        'data: "no id"\n\nid: aaaa-5\ndata: [DONE]\n\n',
      ]
      await client.begin(
        (response, n) => {
          say(response, answers[n - 1] ?? '')
          response.end()
        },
        {},
        ['message', 'reset'],
      )
      await client.until('ended')
      const cursors = client.queries().map((query) => query.get('lastEventId'))
      expect(cursors).to.deep.equal([null, 'aaaa-6', 'aaaa-6', 'aaaa-2', 'aaaa-4'])
      expect((await client.heard()).map(([, data]) => data)).to.deep.equal([
        { reason: 'ahead' },
        3,
        4,
        'no id',
      ])
      expect(await client.page.evaluate('live.lastEventId')).to.equal('aaaa-5')
      expect(client.queries().every((query) => query.has('hello') && !query.has('mode'))).to.equal(true)
    })

    it('to mail that is older than what it got, and drops none', async () => {
      const hello = 'event: hello\ndata: {"keys":null,"once":true}\n\n'
      await client.begin(
        (response) =>
          say(response, `${ready('aaaa-9')}${hello}id: aaaa-3\ndata: 3\n\nid: aaaa-2\ndata: 2\n\n`),
        {},
        ['message'],
      )
      await until(async () => (await client.heard()).length === 2, 'the mail')
    })

    it('after a reload, where it is to remember; `after` beats that', async () => {
      const script: Script = (response) => say(response, `${ready('aaaa-1')}id: aaaa-7\ndata: 1\n\n`)
      for (const [options, cursor] of [
        [{ remember: true }, null],
        [{ remember: true }, 'aaaa-7'],
        [{ remember: true, identity: 'ann' }, null],
        [{ remember: true, after: 'aaaa-2' }, 'aaaa-2'],
        [{}, null],
      ] as const) {
        await client.begin(script, options)
        await until(() => client.page.evaluate("live.state.state === 'open'"), 'the stream')
        await until(() => client.page.evaluate("live.lastEventId === 'aaaa-7'"), 'the event')
        expect(client.queries()[0]?.get('lastEventId')).to.equal(cursor)
        await client.page.reload()
        await client.page.waitForFunction('window.listen')
      }
    })

    it('with another token after a 401, once for each refusal', async () => {
      const given: unknown[] = []
      await client.page.evaluate('window.tokens = 0')
      await client.begin((response, n, { headers }) => {
        given.push([headers.authorization, headers['x-a']])
        if (n !== 2) return response.writeHead(401).end()
        say(response, ready('aaaa-1'))
        return response.end()
      }, "{ token: async () => 't' + ++tokens, headers: { 'X-A': 'b' } }")
      await client.until('refused')
      expect(given).to.deep.equal([
        ['Bearer t1', 'b'],
        ['Bearer t2', 'b'],
        ['Bearer t2', 'b'],
        ['Bearer t3', 'b'],
      ])
      expect(await last()).to.include({ state: 'closed', status: 401 })
    })

    it('though its token cannot be had for a while, and says that it is the token', async () => {
      await client.page.evaluate('window.tokens = 0')
      const given: unknown[] = []
      await client.begin(
        (response, _n, { headers }) => {
          given.push(headers.authorization)
          say(response, ready('aaaa-1'))
          response.end()
        },
        `{ token: () => {
          tokens += 1
          if (tokens === 1) throw new RangeError('no token')
          if (tokens === 2) return Promise.reject(new Error('no login'))
        } }`,
      )
      const [, first] = await client.until('token')
      expect(first).to.deep.equal({
        state: 'waiting',
        reason: 'token',
        message: 'the token callback failed (RangeError: no token)',
        retryIn: 3000,
        role: 'alone',
      })
      await client.page.evaluate("dispatchEvent(new Event('online'))")
      const isSecond = async () => (await client.states())[3]?.message
      expect(await until(isSecond, 'the next failure')).to.match(/callback failed \(Error: no login\)$/)
      await client.page.evaluate("dispatchEvent(new Event('online'))")
      await until(() => given.length === 2, 'another connection')
      // A callback that knows no token is not asked again for one, and nothing is sent in its place.
      expect(given).to.deep.equal([undefined, undefined])
      expect(await client.page.evaluate('tokens')).to.equal(3)
    })

    it('with its headers, in whatever form fetch() takes them', async () => {
      const given: unknown[] = []
      for (const headers of ["new Headers({ 'X-A': 'b' })", "new Map([['X-A', 'b']])", "[['X-A', 'b']]"]) {
        await client.begin((response, _n, { headers }) => {
          given.push([headers['x-a'], headers.accept])
          say(response, ready('aaaa-1'))
        }, `{ headers: ${headers} }`)
        await client.until('ready')
        await client.end()
      }
      expect(given).to.deep.equal(Array(3).fill(['b', 'text/event-stream']))
    })
  })

  describe('hands on', () => {
    const EVENTS = `${ready('aaaa-1')}id: aaaa-2\nevent: order\nkey: a\nat: 17\ndata: {"n":1}\n\nid: aaaa-3\ndata: no JSON\n\nid: aaaa-4\nevent: state\ndata: 0\n\n`

    it('data and what is known of the event, by name, without one, and all', async () => {
      await client.begin((response) => say(response, EVENTS), {}, ['order', 'message', '*'])
      await until(async () => (await client.heard()).length === 5, 'the events')
      const order = [{ n: 1 }, { id: 'aaaa-2', key: 'a', event: 'order', createdAt: 17 }]
      const text = ['no JSON', { id: 'aaaa-3', key: null, event: null, createdAt: null }]
      const state = [0, { id: 'aaaa-4', key: null, event: 'state', createdAt: null }]
      expect(await client.heard()).to.deep.equal([
        ['order', ...order],
        ['*', ...order],
        ['message', ...text],
        ['*', ...text],
        ['*', ...state],
      ])
      expect(await way()).to.deep.equal(['connecting start', 'open ready'])
    })

    it('to each handler, though one throws, until it is taken back', async () => {
      let stream: ServerResponse | undefined
      await client.begin((response) => {
        stream = response
        say(response, ready('aaaa-1'))
      })
      await client.until('ready')
      await client.page.evaluate(`
        errors.length = 0
        live.on('message', () => { throw new Error('mine') })
        window.off = live.on('message', (data) => { heard.push(['first', data]); off() })
        live.on('message', (data) => heard.push(['second', data]))
        live.on('message', () => gone())
        window.gone = live.on('message', (data) => heard.push(['never', data]))
        live.on('state', (state) => heard.push(['never', state]))()
        const add = live.on('message', () => { live.on('message', (data) => heard.push(['added', data])), add() })`)
      stream?.write('data: 1\n\ndata: 2\n\n')
      await until(() => client.page.evaluate('errors.length === 2'), 'the errors')
      expect(await client.heard()).to.deep.equal([
        ['first', 1],
        ['second', 1],
        ['second', 2],
        ['added', 2],
      ])
      expect(await client.page.evaluate('errors[0]')).to.match(/mine/)
    })

    it('in a loop, until it is closed; what a slow loop misses is a reset', async () => {
      let stream: ServerResponse | undefined
      await client.begin((response) => {
        stream = response
        say(response, ready('aaaa-1'))
      })
      await client.until('ready')
      await client.page.evaluate(`{
        window.read = []
        const slow = async () => {
          while (live.lastEventId !== 'aaaa-10004') await new Promise((go) => setTimeout(go, 5))
          await new Promise((go) => setTimeout(go, 50))
        }
        const run = async () => {
          for await (const { event, data, id } of live) {
            read.push([event, data, id])
            if (read.length === 1) await slow()
            if (data === 'last') live.close()
          }
          read.push('over')
        }
        void run()
      }`)
      stream?.write('data: "first"\n\n')
      await until(() => client.page.evaluate('read.length === 1'), 'the first event')
      stream?.write(Array.from({ length: 10_003 }, (_, i) => `id: aaaa-${i + 2}\ndata: ${i}\n\n`).join(''))
      await until(() => client.page.evaluate('read.length === 2'), 'the reset')
      stream?.write('id: aaaa-10005\ndata: "last"\n\n')
      await until(() => client.page.evaluate("read.at(-1) === 'over'"), 'the end')
      expect(await client.page.evaluate('read')).to.deep.equal([
        [null, 'first', ''],
        ['reset', { reason: 'slow' }, 'aaaa-10004'],
        [null, 'last', 'aaaa-10005'],
        'over',
      ])
      expect(await client.page.evaluate('live[Symbol.asyncIterator]().next()')).to.include({ done: true })
    })

    it('in a quick loop all that comes at once, however much it is', async () => {
      let stream: ServerResponse | undefined
      await client.begin((response) => {
        stream = response
        say(response, ready('aaaa-1'))
      })
      await client.until('ready')
      await client.page.evaluate(`{
        window.read = []
        const run = async () => { for await (const { event, data } of live) read.push(event ?? data) }
        void run()
      }`)
      stream?.write(Array.from({ length: 30_000 }, (_, i) => `data: ${i}\n\n`).join(''))
      await until(() => client.page.evaluate('read.at(-1) === 29999'), 'the last event')
      expect(await client.page.evaluate('read.length')).to.equal(30_000)
    })

    it('from an EventSource, where answers cannot be read while they come', async () => {
      const { page } = client
      await page.goto(`${client.url}/?old`)
      await page.waitForFunction('window.listen')
      await page.evaluate(`{
        const { setInterval: set, clearInterval: clear } = window
        window.pulses = new Set()
        window.setInterval = (...given) => { const pulse = set(...given); pulses.add(pulse); return pulse }
        window.clearInterval = (pulse) => { pulses.delete(pulse); clear(pulse) }
      }`)
      const script: Script = (response) => {
        say(response, `${EVENTS}id: aaaa-5\ndata: [DONE]\n\n`)
        response.end()
      }
      await client.begin(script, { after: 'aaaa-0' }, ['order', 'message'])
      const steps = (await client.until('ended')).map(({ state, reason }) => `${state} ${reason}`)
      expect((await client.heard()).map(([, data]) => data)).to.deep.equal([{ n: 1 }, 'no JSON'])
      expect(client.queries().map((query) => query.get('lastEventId'))).to.deep.equal(['aaaa-0'])
      expect(steps).to.deep.equal(['connecting start', 'open ready', 'closed ended'])
      expect(await page.evaluate('pulses.size')).to.equal(0)
      await client.begin(script, { headers: { 'X-A': 'b' } })
      expect((await client.until('refused')).at(-1)?.message).to.match(/no headers in this browser/)
      expect(client.asked).to.have.lengthOf(0)
      await page.goto(client.url)
      await page.waitForFunction('window.listen')
    })
  })

  describe('when it is closed', () => {
    it('leaves no listener, timer or request, by close(), a signal or the server', async () => {
      await client.page.evaluate(`
        window.kept = new Map()
        for (const target of [window, AbortSignal.prototype]) {
          const { addEventListener, removeEventListener } = target
          target.addEventListener = function (type, ...given) {
            kept.set(type, given[0])
            return addEventListener.call(this, type, ...given)
          }
          target.removeEventListener = function (type, ...given) {
            if (kept.get(type) === given[0]) kept.delete(type)
            return removeEventListener.call(this, type, ...given)
          }
        }
        window.timers = new Set()
        for (const kind of ['Timeout', 'Interval']) {
          const [set, clear] = [window['set' + kind], window['clear' + kind]]
          window['set' + kind] = (run, ms) => {
            const timer = set(() => { if (kind === 'Timeout') timers.delete(timer); run() }, ms)
            timers.add(timer)
            return timer
          }
          window['clear' + kind] = (timer) => { timers.delete(timer); clear(timer) }
        }`)
      const left = async () => {
        await until(() => client.asked.every(({ destroyed }) => destroyed), 'the end of the requests')
        return client.page.evaluate('[kept.size, timers.size]')
      }
      const begin = (options: string) => client.page.evaluate(`begin('/stream', ${options}, [])`)
      const streams: Script = (response) => say(response, ready('aaaa-1'))
      await client.begin(streams)
      await client.until('ready')
      await client.page.evaluate('live.close()')
      expect(await left()).to.deep.equal([0, 0])

      await begin('{ signal: (window.control = new AbortController()).signal }')
      await client.until('ready')
      await client.page.evaluate('control.abort()')
      expect(await left()).to.deep.equal([0, 0])
      expect(await last()).to.include({ state: 'closed', reason: 'asked' })

      client.asked.length = 0
      await begin('{ signal: AbortSignal.abort() }')
      expect(await left()).to.deep.equal([0, 0])
      expect(client.asked).to.have.lengthOf(0)
      expect(await client.page.evaluate('live.state.reason')).to.equal('asked')

      await client.begin(answer(403))
      await client.page.evaluate('live.close()')
      await begin('{ signal: new AbortController().signal }')
      await client.until('refused')
      expect(await left()).to.deep.equal([0, 0])

      await client.begin(answer(503))
      await client.until('server')
      await client.page.evaluate('live.close()')
      expect(await left()).to.deep.equal([0, 0])

      await client.begin((response, _n, { url }) => {
        if (!url?.includes('probe')) return
        say(response, 'event: hello\ndata: {}\n\n')
        if (client.asked.length < 3) response.end('event: hello\ndata: {}\n\n')
      })
      await client.until('held')
      await client.page.evaluate("dispatchEvent(new Event('online'))")
      await until(() => client.asked.length === 4, 'a probe beside the short answer')
      await client.page.evaluate('live.close()')
      expect(await left()).to.deep.equal([0, 0])
    })
  })

  it('throws a TypeError for what it cannot use, and says what it can', async () => {
    const fault = (call: string) =>
      client.page.evaluate(`(() => { try { listen(${call}) } catch (error) { return String(error) } })()`)
    expect(await fault("'/stream', { shared: true }")).to.equal(
      'TypeError: listen() was given shared: true; it knows after, share, identity, remember, headers, token, credentials, signal',
    )
    expect(await fault("'/stream', { after: null }")).to.match(/was given after: null; it takes a string/)
    expect(await fault("'/stream', { token: 'x' }")).to.match(/it takes a function/)
    expect(await fault("'data:text/event-stream,a'")).to.match(/^TypeError: .* it takes http/)
    expect(await fault("'http://'")).to.match(/^TypeError/)
    expect(await fault("'/stream', null")).to.match(/was given options: null/)
    await client.begin(answer(204))
    await client.until('ended')
    expect(await fault("'/stream', { headers: { 'a b': 'c' } }")).to.match(/^TypeError: .*'a b'|Invalid name/)
    expect(await fault("'/stream', { credentials: 'yes' }")).to.match(/^TypeError: .*'credentials'.*'yes'/)
    expect(await fault("'/stream', { signal: {} }")).to.match(/^TypeError: .*'signal'/)
    await client.page.evaluate("fetch('/').then(() => 0)")
    expect(client.asked).to.have.lengthOf(1)
  })
})
