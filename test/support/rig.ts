import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { FileSignalError } from '../../dist/errors.js'
import type { HydrateMode } from '../../dist/hook-options.js'
import { createHandler, type HttpSite, type NodeContext } from '../../dist/http/node.js'
import { DEFAULTS, type Retention, type StreamOptions } from '../../dist/options.js'
import type { NewRow, PayloadEngine } from '../../dist/payload/engine.js'
import { memory } from '../../dist/payload/memory.js'
import type { SignalEngine } from '../../dist/signal/engine.js'
import { memorySignal } from '../../dist/signal/memory.js'
import { createStreams, type Streams } from '../../dist/stream/streams.js'
import { site as payloadSite } from './payload-contract.js'
import { until } from './wait.js'

/** Streams over the memory engines, and what a test wants to do to them. */
export interface Rig extends HttpSite {
  streams: Streams
  signal: SignalEngine
  /** The store in use; another one may be put in its place. */
  payload: PayloadEngine
  reports: FileSignalError[]
  /** Appends without a wake-up, and resolves with the row numbers. */
  append(...rows: (Partial<NewRow> & { key: string })[]): Promise<number[]>
  /** Appends one event and wakes; resolves with its id. */
  put(key: string, payload: unknown, more?: Partial<NewRow>): Promise<string>
  end(key: string): Promise<string>
  /** Serves on a free port of this machine; closed by close(). */
  serve(listener: http.RequestListener): Promise<string>
  handle<Mode extends HydrateMode = 'each'>(
    keys: string | string[],
    options?: StreamOptions<http.IncomingMessage, NodeContext<http.IncomingMessage>, Mode>,
  ): Promise<string>
  /** Ends all streams and servers, and checks that nothing of them is left. */
  close(): Promise<void>
}

export interface RigOptions {
  payload?: PayloadEngine
  signal?: SignalEngine
  retention?: Partial<Retention>
  poll?: number
  buffer?: number
}

/** A memory store that keeps no more than `retention` says, when it is told to prune. */
export function memoryStore(retention?: Partial<Retention>): PayloadEngine {
  return memory()(payloadSite(retention ? { retention } : {}))
}

/** What is left of streams that have ended. */
const NOTHING = Object.freeze({
  streams: 0,
  live: 0,
  behind: 0,
  keys: 0,
  cursor: null,
  mode: null,
  waiting: 0,
})

export function createRig(options: RigOptions = {}): Rig {
  const servers: http.Server[] = []
  const reports: FileSignalError[] = []
  const report = (error: FileSignalError) => void reports.push(error)
  const settings = { ...DEFAULTS, poll: options.poll ?? 10_000, buffer: options.buffer ?? DEFAULTS.buffer }
  const signal =
    options.signal ??
    memorySignal()({
      signalFile: () => {
        throw new Error('the memory engine keeps no file')
      },
      mode: 0o600,
      group: null,
      report: (error) => void reports.push(error as FileSignalError),
    })

  const rig: Rig = {
    payload: options.payload ?? memoryStore(options.retention),
    signal,
    settings,
    report,
    reports,
    streams: createStreams({ payload: () => rig.payload, signal: () => signal, settings, report }),
    append: async (...rows) => {
      const added = rows.map((row) => ({
        event: null,
        payload: 'null',
        kind: 'event' as const,
        dedupe: null,
        ...row,
      }))
      return (await rig.payload.append(added)).rows.map(({ n }) => n)
    },
    put: async (key, payload, more = {}) => {
      const [n = 0] = await rig.append({ key, payload: JSON.stringify(payload), ...more })
      const { epoch } = await rig.payload.head()
      signal.raise({ epoch, n })
      return `${epoch}-${n}`
    },
    end: (key) => rig.put(key, null, { kind: 'end' }),
    serve: async (listener) => {
      const server = http.createServer(listener)
      servers.push(server)
      server.listen(0, '127.0.0.1')
      await until(() => server.listening, 'a free port')
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    },
    handle: (keys, streamOptions) => rig.serve(createHandler(rig, keys, streamOptions)),
    close: async () => {
      await rig.streams.close()
      for (const server of servers) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
      await rig.payload.close()
      await rig.signal.close()
      expect(rig.streams.stats()).to.include(NOTHING)
    },
  }
  return rig
}
