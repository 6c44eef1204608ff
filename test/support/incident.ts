import { execFileSync } from 'node:child_process'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignal, type FileSignalOptions } from 'file-signal'
import { type Child, start } from './child.js'
import { freshFolder } from './folder.js'
import { type Client, stream } from './sse.js'
import { until } from './wait.js'

/** What the fixture worker is told to do, and its answer. */
export interface Order {
  batch?: { key: string; payload: unknown }[]
  /** Copies the main file there with fs, as a careless backup does. */
  copyTo?: string
}
export interface Answer {
  ids: string[]
  reports: string[]
  fault?: string
}

export interface Worker {
  readonly child: Child
  /** Publishes payloads of the key 'a' in one call; fails where it is rejected. */
  publish(...payloads: string[]): Promise<void>
  ask(order: Order): Promise<Answer>
}

/**
 * A store with a web process (this one), its open stream of the key 'a', and other processes, to which something is
 * done; it remembers all that was acknowledged.
 */
export interface Incident {
  readonly root: string
  readonly path: string
  readonly web: FileSignal
  readonly client: Client
  /** Codes that the web process has reported. */
  readonly reports: string[]
  /** Payload → id. */
  readonly acknowledged: ReadonlyMap<string, string>
  /** Publishes in the web process, one call each. */
  publish(...payloads: string[]): Promise<void>
  worker(): Promise<Worker>
  /** Waits until the stream has had a payload. */
  heard(payload: string): Promise<void>
  /** A client that comes with the id of a payload. */
  returning(payload: string): Promise<Client>
  /** Runs SQL, or a command of the shell, in Debian's sqlite3. */
  shell(...commands: string[]): string
  /** One more event from each process, and then all that must hold after so many incidents, reported under these codes. */
  expectHealed(codes: readonly string[], incidents?: number): Promise<void>
  close(): Promise<void>
}

export async function createIncident(options: FileSignalOptions = {}): Promise<Incident> {
  const root = freshFolder()
  const path = join(root, 'data/sse_payloads.sqlite')
  const reports: string[] = []
  const workers: Worker[] = []
  const clients: Client[] = []
  const acknowledged = new Map<string, string>()
  const web = createFileSignal({ root, poll: 200, ...options, onError: ({ code }) => reports.push(code) })
  const server = http.createServer(web.handler('a')).listen(0, '127.0.0.1')
  await until(() => server.listening, 'a free port')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

  async function come(headers: Record<string, string> = {}): Promise<Client> {
    const client = await stream(url, { headers })
    clients.push(client)
    return client
  }

  async function publish(...payloads: string[]): Promise<void> {
    for (const payload of payloads) acknowledged.set(payload, (await web.signal('a', payload)).id)
  }

  async function startWorker(): Promise<Worker> {
    const child = start('worker', [JSON.stringify({ root, poll: 200 })])
    await until(() => child.lines.length > 0, 'the worker', 15_000)
    const ask = async (order: Order): Promise<Answer> => {
      const count = child.lines.length
      child.send(JSON.stringify(order))
      return JSON.parse(await until(() => child.lines[count], 'an answer', 15_000)) as Answer
    }
    const worker: Worker = {
      child,
      ask,
      publish: async (...payloads) => {
        const { ids, fault } = await ask({ batch: payloads.map((payload) => ({ key: 'a', payload })) })
        expect(fault).to.equal(undefined)
        for (const [i, payload] of payloads.entries()) acknowledged.set(payload, ids[i] as string)
      },
    }
    workers.push(worker)
    return worker
  }

  const client = await come()
  const incident: Incident = {
    root,
    path,
    web,
    client,
    reports,
    acknowledged,
    publish,
    worker: startWorker,
    heard: async (payload) => void (await until(() => client.payloads().includes(payload), payload)),
    returning: (payload) => come({ 'last-event-id': acknowledged.get(payload) as string }),
    shell: (...commands) =>
      execFileSync('sqlite3', ['-bail', '-cmd', '.timeout 5000', path, ...commands], {
        encoding: 'utf8',
      }).trim(),
    expectHealed: async (codes, incidents = codes.length > 0 ? 1 : 0) => {
      const living = workers.filter(({ child }) => child.process.exitCode === null && !child.process.killed)
      for (const [i, worker] of living.entries()) await worker.publish(`healed ${i}`)
      await publish('healed')
      await incident.heard('healed')
      await expectWhole(incident, codes, incidents)
      for (const worker of living) {
        const told = (await worker.ask({})).reports
        expect(told.length).to.be.at.most(incidents)
        for (const code of told) expect(codes).to.include(code)
      }
    },
    close: async () => {
      for (const one of clients) one.close()
      for (const { child } of workers) await child.stop()
      await web.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return incident
}

async function expectWhole(incident: Incident, codes: readonly string[], incidents: number): Promise<void> {
  const { acknowledged, client, reports, web } = incident
  const ids = [...acknowledged.values()]
  expect(new Set(ids).size, `no id twice: ${ids}`).to.equal(ids.length)
  const resets = client.ofType('reset').length
  const got = client.payloads()
  const missing = [...acknowledged.keys()].filter((payload) => !got.includes(payload))
  if (missing.length > 0) expect(resets, `resets for ${missing}`).to.be.above(0)
  expect(resets).to.be.at.most(incidents)
  expect(new Set(got).size, `nothing twice: ${got}`).to.equal(got.length)
  for (const { id, data, event } of client.messages) {
    if (event === undefined) expect(id).to.equal(acknowledged.get(JSON.parse(data)))
  }
  expect(reports.length, `reports: ${reports}`).to.be.within(Math.min(incidents, 1), incidents)
  for (const code of reports) expect(codes).to.include(code)
  const { health } = (await web.stats()).store
  expect(health === 'ok' ? health : health.code).to.equal(reports.at(-1) ?? 'ok')
  expect(incident.shell('PRAGMA integrity_check')).to.equal('ok')
}
