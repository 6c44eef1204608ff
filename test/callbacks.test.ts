import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import {
  createFileSignal,
  type FileSignal,
  type FileSignalError,
  type FileSignalOptions,
  memory,
  sqlite,
} from 'file-signal'
import { memorySignal } from '../dist/signal/memory.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

/** Ways in which a function of the application's fails. */
const FAILURES: Record<string, () => unknown> = {
  throws: () => {
    throw new Error('a bug')
  },
  rejects: async () => {
    throw new Error('a bug')
  },
  'throws what has no text': () => {
    throw Object.create(null)
  },
  'rejects with a proxy that was revoked': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return Promise.reject(proxy)
  },
  'gives a thenable that throws': () => ({
    // biome-ignore lint/suspicious/noThenProperty: it is what is tried
    then: () => {
      throw new Error('a bug')
    },
  }),
}

const never = () => new Promise<never>(() => {})

/** What calls a function of the application's, and the code under which its failure is reported. */
interface Place {
  readonly code: string
  readonly options?: (fail: () => unknown) => Partial<FileSignalOptions>
  readonly use: (events: FileSignal, fail: () => unknown) => Promise<unknown>
}

describe('callbacks of the application', () => {
  const servers: http.Server[] = []
  let wild: unknown[]
  const onWild = (error: unknown) => wild.push(error)

  beforeEach(() => {
    wild = []
    process.on('unhandledRejection', onWild)
    process.on('uncaughtException', onWild)
  })

  afterEach(async () => {
    process.off('unhandledRejection', onWild)
    process.off('uncaughtException', onWild)
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })

  async function ask(handler: http.RequestListener): Promise<void> {
    const server = http.createServer(handler).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    http
      .get({ port, host: '127.0.0.1' }, (response) => response.on('error', () => {}).resume())
      .on('error', () => {})
  }

  const store = () => memory()
  const engine = (change: object): FileSignalOptions['signal'] => {
    return (site) => Object.assign(memorySignal()(site), change)
  }
  const shared = (): FileSignalOptions['payload'] => (site) => Object.assign(memory()(site), { shared: true })

  const PLACES: Record<string, Place> = {
    keys: { code: 'STREAM_FAILED', use: (events, fail) => ask(events.handler(fail as never)) },
    authorize: {
      code: 'STREAM_FAILED',
      use: (events, fail) => ask(events.handler('a', { authorize: fail as never })),
    },
    onLoop: { code: 'HOOK_FAILED', use: (events, fail) => ask(events.handler('a', { onLoop: fail })) },
    beforeSend: {
      code: 'HOOK_FAILED',
      use: async (events, fail) => {
        await events.signal('a', 1)
        await ask(events.handler('a', { beforeSend: fail, replay: 'all' }))
      },
    },
    'beforeSend for all': {
      code: 'HOOK_FAILED',
      use: async (events, fail) => {
        await events.signal('a', 1)
        await ask(events.handler('a', { beforeSend: fail, hydrate: 'once', replay: 'all' }))
      },
    },
    source: { code: 'SOURCE_FAILED', use: (events, fail) => ask(events.handlerFrom(fail)) },
    'source of all': {
      code: 'SOURCE_FAILED',
      use: (events, fail) => ask(events.handlerFrom(fail, { share: true })),
    },
    'next() of a source': {
      code: 'SOURCE_FAILED',
      use: (events, fail) =>
        ask(events.handlerFrom({ [Symbol.asyncIterator]: () => ({ next: fail }) } as never)),
    },
    onProgress: {
      code: 'HOOK_FAILED',
      options: () => ({ root: freshFolder(), payload: sqlite(), retention: { maxPerKey: 1 } }),
      use: async (events, fail) => {
        // Now none is due in the background for a while.
        await events.prune()
        for (let i = 0; i < 5; i += 1) await events.signal('a', i)
        await events.prune(fail)
      },
    },
    'raise() of a signal engine': {
      code: 'SIGNAL_FAILED',
      options: (fail) => ({ payload: shared(), signal: engine({ raise: fail }) }),
      use: (events) => events.signal('a', 1),
    },
    'listen() of a signal engine': {
      code: 'STREAM_FAILED',
      options: (fail) => ({ payload: shared(), signal: engine({ listen: fail }) }),
      use: (events) => ask(events.handler('a')),
    },
    'check() of a listener': {
      code: 'STREAM_FAILED',
      options: (fail) => ({
        poll: 20,
        payload: shared(),
        signal: engine({ listen: async () => ({ check: fail, close: async () => {}, mode: 'poll' }) }),
      }),
      use: (events) => ask(events.handler('a')),
    },
    'head() of a payload engine': {
      code: 'STREAM_FAILED',
      options: (fail) => ({ payload: (site) => Object.assign(memory()(site), { head: fail }) }),
      use: (events) => ask(events.handler('a')),
    },
  }

  for (const [name, { code, options, use }] of Object.entries(PLACES)) {
    it(`${name}: whatever way it fails, the process lives, and ${code} is reported`, async () => {
      for (const [way, fail] of Object.entries(FAILURES)) {
        const reports: string[] = []
        const onError = (error: FileSignalError) => reports.push(error.code)
        const events = createFileSignal({ payload: store(), onError, ...options?.(fail) })
        await use(events, fail)
        await until(() => reports.includes(code), `${code} where it ${way}`)
        await events.close()
      }
      expect(wild).to.deep.equal([])
    })
  }

  it('onError itself: whatever way it fails, the process lives, and a warning tells both failures', async () => {
    for (const [way, fail] of Object.entries({ ...FAILURES, 'never answers': never })) {
      const warnings: string[] = []
      const onWarning = (warning: Error & { code?: string }) => void warnings.push(String(warning.code))
      process.on('warning', onWarning)
      const events = createFileSignal({
        payload: shared() as never,
        signal: engine({ raise: FAILURES.throws }) as never,
        onError: fail,
      })
      await events.signal('a', 1)
      if (fail !== never) {
        const told = () => warnings.includes('HOOK_FAILED') && warnings.includes('SIGNAL_FAILED')
        await until(told, `both failures where it ${way}`)
      }
      await events.close()
      process.off('warning', onWarning)
    }
    expect(wild).to.deep.equal([])
  })

  it('toJSON() and promises in a payload: PAYLOAD_INVALID, and no rejection is left alone', async () => {
    const events = createFileSignal({ payload: store() })
    for (const fail of Object.values(FAILURES)) {
      const code = await events.signal('a', { deep: [{ toJSON: fail }] }).catch((error) => error.code)
      expect(code).to.equal('PAYLOAD_INVALID')
    }
    const refused = await events.signal('a', Promise.reject(new Error('a bug'))).catch((error) => error)
    expect([refused.code, refused.remedy]).to.deep.equal(['PAYLOAD_INVALID', 'await it first'])
    await new Promise(setImmediate)
    expect(wild).to.deep.equal([])
    await events.close()
  })

  it('a newest() that gives no hint, or fails, costs nothing', async () => {
    for (const newest of [...Object.values(FAILURES), () => 'no hint', () => Promise.resolve({ n: 9 })]) {
      const events = createFileSignal({
        root: freshFolder(),
        onError: () => {},
        signal: engine({ newest }) as never,
      })
      expect((await events.signal('a', 1)).id).to.match(/-1$/)
      await events.close()
    }
    expect(wild).to.deep.equal([])
  })
})
