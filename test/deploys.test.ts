import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignal, type FileSignalError, type FileSignalOptions } from 'file-signal'
import { linksTo } from '../dist/deploy-links.js'
import { ERRORS } from '../dist/errors.js'
import { createRestartSigns } from '../dist/restart-signs.js'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'

/** Releases behind a link `current`, as Capistrano and Deployer make them. */
describe('deploys', () => {
  let top: string
  let current: string
  let events: FileSignal
  let reported: FileSignalError[]
  let servers: Server[]
  let clients: Client[]

  function release(n: string, name = 'shop'): string {
    const folder = join(top, 'releases', n)
    mkdirSync(join(folder, 'tmp'), { recursive: true })
    writeFileSync(join(folder, 'package.json'), `{ "name": "${name}" }`)
    return folder
  }

  /** The new link stands before the old one is gone; `ln -sfn` takes the old one away first. */
  function point(target: string, link = current): void {
    rmSync(`${link}.new`, { force: true })
    symlinkSync(target, `${link}.new`)
    renameSync(`${link}.new`, link)
  }

  function start(options: FileSignalOptions): void {
    events = createFileSignal({ retry: [20, 60], onError: (error) => reported.push(error), ...options })
  }

  async function open(): Promise<Client> {
    const server = createServer(events.handler('a'))
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = await stream(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    clients.push(client)
    return client
  }

  /** By then the links were looked for. */
  async function sweep(): Promise<void> {
    const sweeps = async () => (await events.stats()).streams.wakes.sweep
    const before = await sweeps()
    await until(async () => (await sweeps()) > before + 1, 'two sweeps')
  }

  beforeEach(() => {
    top = freshFolder()
    current = join(top, 'current')
    reported = []
    servers = []
    clients = []
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await events?.close()
    for (const server of servers) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })

  describe('the restart of an old release', () => {
    it('a link that leads elsewhere ends its streams, and so does the file behind the link', async () => {
      point(release('1'))
      start({ root: join(top, 'releases/1') })
      const first = await open()
      await sweep()
      point(release('2'))
      await until(() => first.ended, 'the end by the link')
      const second = await open()
      await sweep()
      writeFileSync(join(current, 'tmp/restart.txt'), '')
      await until(() => second.ended, 'the end by the file behind the link')
    })

    it('each change is seen once, and a link that only goes and comes back is none', async () => {
      const root = release('1')
      point(root)
      const signs = createRestartSigns(root, linksTo(root, []))
      const changed = async () => [await signs.changed(), await signs.changed()]
      expect(await changed()).to.deep.equal([false, false])
      unlinkSync(current)
      expect(await changed()).to.deep.equal([false, false])
      point(root)
      expect(await changed()).to.deep.equal([false, false])
      point(release('2'))
      expect(await changed()).to.deep.equal([true, false])
      writeFileSync(join(current, 'tmp/restart.txt'), '')
      expect(await changed()).to.deep.equal([true, false])
      writeFileSync(join(root, 'tmp/restart.txt'), '')
      expect(await changed()).to.deep.equal([true, false])
      // What was changed before a process began is no sign for it.
      const later = createRestartSigns(root, Promise.resolve([current]))
      expect([await later.changed(), await later.changed()]).to.deep.equal([false, false])
    })

    it('links are found beside the releases, above them, and where the process was told of one', async () => {
      const root = release('1/apps/web')
      const elsewhere = freshFolder()
      point(join(top, 'releases/1'))
      point(root, join(top, 'web'))
      point(join(top, 'releases'), join(top, 'another'))
      point(root, join(top, 'release'))
      point(release('2'), join(top, 'previous'))
      point(top, join(elsewhere, 'site'))
      expect((await linksTo(root, [])).sort()).to.deep.equal(
        [join(current, 'apps/web'), join(top, 'another/1/apps/web'), join(top, 'web')].sort(),
      )
      const site = join(elsewhere, 'site/current/apps/web')
      for (const given of [site, join(site, 'tmp')]) {
        expect((await linksTo(root, [given, null, 'relative', '/nowhere']))[0]).to.equal(site)
      }
    })
  })

  describe('a project folder that is gone', () => {
    it('is never made again: ROOT_GONE for who publishes, one report for streams; back at its place all goes on', async () => {
      const root = release('1')
      start({ root, poll: 50 })
      const client = await open()
      await events.signal('a', 1)
      await until(() => client.payloads().length === 1, 'the event')
      await events.prune()
      rmSync(join(top, 'releases'), { recursive: true })
      for (let i = 0; i < 2; i += 1) {
        const error = await failure(events.signal('a', 'lost'))
        expect(error).to.include({ code: 'ROOT_GONE', remedy: ERRORS.ROOT_GONE.remedy })
        expect(error.message).to.include(`"${root}"`)
      }
      await until(() => reported.some(({ code }) => code === 'ROOT_GONE'), 'a report')
      expect((await failure(events.stats())).code).to.equal('ROOT_GONE')
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(reported.filter(({ code }) => code === 'ROOT_GONE')).to.have.length(1)
      expect(readdirSync(top)).to.deep.equal([])
      expect(client.ended).to.equal(false)

      release('1')
      await events.signal('a', 2)
      await until(() => client.payloads().includes(2), 'the event of the new folder')
      expect(client.ofType('reset')).to.have.length(1)
    })

    it('nor by a worker that was idle, whose data lies in a shared folder: its wake-ups alone are lost', async () => {
      const root = release('1')
      mkdirSync(join(top, 'shared'))
      symlinkSync(join(top, 'shared'), join(root, 'data'))
      start({ root })
      await events.signal('a', 1)
      renameSync(root, `${root}-old`)
      expect((await failure(events.signal('a', 2))).code).to.equal('ROOT_GONE')
      expect(readdirSync(join(top, 'releases'))).to.deep.equal(['1-old'])
    })

    it('nor the one of another project that the store is kept in', async () => {
      const [own, other] = [release('1'), release('2', 'other')]
      start({ root: own, database: join(other, 'data/sse_payloads.sqlite') })
      await events.signal('a', 1)
      rmSync(other, { recursive: true })
      expect((await failure(events.signal('a', 2))).code).to.equal('ROOT_GONE')
      expect(existsSync(other)).to.equal(false)
    })

    it('which data and tmp are not: what a cleaner takes is made again', async () => {
      const root = release('1')
      start({ root })
      await events.signal('a', 1)
      for (const name of ['data', 'tmp']) rmSync(join(root, name), { recursive: true })
      await events.signal('a', 2)
      expect(readdirSync(root).sort()).to.deep.equal(['data', 'package.json', 'tmp'])
    })
  })
})
