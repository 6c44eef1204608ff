import { fork } from 'node:child_process'
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { createFileSignal, type FileSignal } from 'file-signal'
import { hold } from './setup/hold.js'
import { ahead } from './support/ahead.js'
import { fixture, start } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { createRig } from './support/rig.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'

/** Milliseconds that a stream lasts in a process whose streams were handed over. */
const brief = ahead(async () => {
  const rig = createRig()
  const address = await rig.handle('a')
  rig.streams.handOver()
  const began = performance.now()
  const client = await stream(address)
  const finish = async () => {
    await until(() => client.ended, 'the end of the brief stream', 20_000)
    const lasted = performance.now() - began
    await rig.close()
    return lasted
  }
  return { outcome: finish() }
})

describe('under a panel', () => {
  let root: string
  let events: FileSignal
  let server: Server
  let url: string
  let clients: Client[]

  const restart = () => join(root, 'tmp', 'restart.txt')
  const touch = (seconds: number) => utimesSync(restart(), seconds, seconds)

  async function open(): Promise<Client> {
    const client = await stream(url)
    clients.push(client)
    return client
  }

  beforeEach(async () => {
    clients = []
    root = freshFolder()
    mkdirSync(join(root, 'tmp'))
    events = createFileSignal({ root, retry: [20, 60] })
    server = createServer(events.handler('a'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await events.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    expect(process.listenerCount('message')).to.equal(0)
  })

  it('streams end when tmp/restart.txt appears, and each time its time changes', async () => {
    const first = await open()
    writeFileSync(restart(), '')
    await until(() => first.ended, 'the end by a new file')
    const second = await open()
    touch(1_000_000_000)
    await until(() => second.ended, 'the end by another time')
  })

  it('streams stay while the restart file stays as it is, or goes', async () => {
    writeFileSync(restart(), '')
    const client = await open()
    const other = await open()
    rmSync(restart())
    // Sweeps come as often as looks: after three of them the missing file was seen.
    await until(async () => (await events.stats()).streams.wakes.sweep > 3, 'three looks')
    expect([client.ended, other.ended]).to.deep.equal([false, false])
    writeFileSync(restart(), '')
    await until(() => client.ended && other.ended, 'the end of both')
  })

  it('a browser loses nothing by a restart', async () => {
    const source = new EventSource(url)
    const seen: number[] = []
    source.onmessage = ({ data }) => seen.push(JSON.parse(data))
    try {
      await until(() => source.readyState === EventSource.OPEN, 'the stream')
      await events.signal('a', 1)
      await until(() => seen.length === 1, 'the first event')
      writeFileSync(restart(), '')
      await until(() => source.readyState === EventSource.CONNECTING, 'the end')
      await events.signal('a', 2)
      await until(() => seen.length === 2, 'the second event')
      expect(seen).to.deep.equal([1, 2])
    } finally {
      source.close()
    }
  })

  it('who comes back to the old process too soon gets a brief stream', async () => {
    expect(await brief()).to.be.within(7900, 20_000)
  })

  it("the message 'shutdown' ends streams, and the process is left to its own", async () => {
    const setup = JSON.stringify({ keys: ['a'], options: { root: freshFolder() } })
    const child = fork(fixture('web'), [setup], { silent: true })
    const gone = new Promise<number | null>((resolve) => child.once('exit', resolve))
    try {
      let port = ''
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        port += text
      })
      await until(() => port.endsWith('\n'), 'the port')
      const client = await stream(`http://127.0.0.1:${port.trim()}/x.sse`)
      clients.push(client)
      child.send('another message')
      child.send('shutdown')
      await until(() => client.ended, 'the end of the stream')
      expect((await fetch(`http://127.0.0.1:${port.trim()}/stats`)).status).to.equal(200)
    } finally {
      child.kill('SIGKILL')
      await gone
    }
  })

  it('a process that Passenger ends finishes the calls of every instance first', async () => {
    const child = start('passenger-stop', [root])
    try {
      const port = await until(() => child.lines[0], 'the port')
      const client = await stream(`http://127.0.0.1:${port}/`)
      clients.push(client)
      const release = hold(join(root, 'data/sse_payloads.sqlite'))
      child.send('now')
      await until(() => client.ended, 'the end of the stream')
      release()
      expect(await child.ended).to.include({ code: 0, stderr: '' })
    } finally {
      await child.stop()
    }
    const events = createFileSignal({ root })
    expect((await events.stats()).store.rows).to.equal(2)
    await events.close()
  })

  it('a process without streams listens to no message', async () => {
    expect(process.listenerCount('message')).to.equal(0)
    const client = await open()
    expect(process.listenerCount('message')).to.equal(1)
    client.close()
    await until(() => process.listenerCount('message') === 0, 'nobody to listen')
  })
})
