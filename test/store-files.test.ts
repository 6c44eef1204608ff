import { chmodSync, copyFileSync, existsSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { failure } from './support/failure.js'
import { createIncident, type Incident } from './support/incident.js'
import { skip } from './support/skip.js'
import { until } from './support/wait.js'

const SUFFIXES = ['', '-wal', '-shm']

describe('what is done to the files of a store', () => {
  let incident: Incident

  beforeEach(async () => {
    incident = await createIncident()
  })

  afterEach(() => incident.close())

  for (const names of [['-wal', '-shm'], ['-wal'], ['-shm']]) {
    const lose = () => {
      for (const name of names) rmSync(incident.path + name)
    }

    describe(`${names.join(' and ')} unlinked under living processes`, () => {
      it('loses nothing where the web process is the first to publish', async () => {
        const worker = await incident.worker()
        await worker.publish('w0')
        await incident.publish('a0')
        lose()
        await incident.publish('a1')
        await worker.publish('w1', 'w2')
        await incident.publish('a2')
        await incident.expectHealed(['STORE_SPLIT', 'STORE_RESTORED'])
        expect((await incident.returning('w0')).ofType('reset').length).to.be.at.most(1)
      })

      it('loses nothing where a process that was idle is the first to publish', async () => {
        const [idle, other] = [await incident.worker(), await incident.worker()]
        await idle.publish('i0')
        await incident.publish('a0', 'a1', 'a2')
        lose()
        await idle.publish(...Array.from({ length: 20 }, (_, i) => `late ${i}`))
        await other.publish('o1')
        await incident.expectHealed(['STORE_SPLIT', 'STORE_RESTORED'])
      })

      it('loses nothing where another one comes first, and the old ones are killed', async () => {
        const [one, two] = [await incident.worker(), await incident.worker()]
        await one.publish('1')
        await two.publish('2')
        await incident.publish('a0')
        lose()
        await two.publish('3')
        await one.child.stop('SIGKILL')
        const fresh = await incident.worker()
        await fresh.publish('4', '5')
        await two.publish('6')
        await two.child.stop('SIGKILL')
        await incident.publish('a1')
        await incident.expectHealed(['STORE_SPLIT', 'STORE_RESTORED'])
      })
    })
  }

  it('prunes a store whose side files have just been unlinked', async () => {
    await incident.publish('a0')
    for (const suffix of ['-wal', '-shm']) rmSync(incident.path + suffix)
    expect((await incident.web.prune()).ran).to.equal(true)
    await incident.expectHealed(['STORE_SPLIT'])
  })

  it('loses nothing where the web process copies its store with fs, and a sqlite3 opens and closes it', async () => {
    const copy = `${incident.root}/copy.sqlite`
    const worker = await incident.worker()
    await worker.publish('w0')
    await incident.publish('a0')
    copyFileSync(incident.path, copy)
    await worker.ask({ copyTo: copy })
    incident.shell('SELECT count(*) FROM events')
    expect(existsSync(`${incident.path}-wal`)).to.equal(false)
    await incident.publish('a1')
    await worker.publish('w1')
    incident.shell('SELECT count(*) FROM events')
    await incident.expectHealed(['STORE_SPLIT'])
  })

  for (const who of ['nobody', 'the web process', 'a worker']) {
    it(`gives no number twice where the main file is renamed away and back, while ${who} publishes`, async () => {
      const { path } = incident
      const worker = await incident.worker()
      await worker.publish('w0')
      await incident.publish('a0', 'a1')
      incident.shell('PRAGMA wal_checkpoint(TRUNCATE)')
      await incident.publish('b0', 'b1')
      await incident.heard('b1')
      renameSync(path, `${path}.away`)
      if (who === 'the web process') await incident.publish('c0')
      if (who === 'a worker') await worker.publish('c0')
      renameSync(`${path}.away`, path)
      await worker.publish('d0', 'd1', 'd2')
      await incident.publish('e0')
      await incident.heard('e0')
      const away = await incident.returning('b1')
      await incident.publish('f0')
      await until(() => away.payloads().includes('f0'), 'f0')
      if (away.ofType('reset').length === 0) {
        expect(away.payloads()).to.include.members(['d0', 'd1', 'd2', 'e0'])
      }
      await incident.expectHealed(
        who === 'nobody' ? [] : ['STORE_RESTORED', 'STORE_SPLIT'],
        who === 'nobody' ? 0 : 2,
      )
    })
  }

  it('gives no number twice where an older state is restored in place, twice, and an idle process publishes first', async () => {
    const { root } = incident
    const idle = await incident.worker()
    await idle.publish('i0')
    await incident.publish('a0')
    incident.shell(`.backup ${root}/older.sqlite`)
    await incident.publish(...Array.from({ length: 10 }, (_, i) => `seen ${i}`))
    await incident.heard('seen 9')
    incident.shell(`.restore ${root}/older.sqlite`)
    await idle.publish(...Array.from({ length: 25 }, (_, i) => `late ${i}`))
    await incident.publish('a1')
    await incident.heard('a1')
    expect(incident.client.ofType('reset').length).to.equal(1)
    incident.shell(`.restore ${root}/older.sqlite`)
    await idle.publish(...Array.from({ length: 60 }, (_, i) => `later ${i}`))
    await incident.publish('a2')
    await incident.heard('a2')
    expect(incident.client.ofType('reset').length).to.equal(2)
    const ids = [...incident.acknowledged.values()]
    expect(new Set(ids).size).to.equal(ids.length)
    expect(new Set(incident.reports)).to.deep.equal(new Set(['STORE_RESTORED']))
    const late = await incident.returning('late 24')
    await until(() => late.ofType('reset').length === 1, 'the reset of one that was away')
  })

  it('takes no VACUUM after deletes for damage', async () => {
    const long = 'x'.repeat(30_000)
    await incident.web.signalMany(
      Array.from({ length: 90 }, (_, i) => ({ key: 'b', payload: `${i}${long}` })),
    )
    incident.shell('PRAGMA wal_checkpoint(TRUNCATE)')
    await incident.publish('job')
    incident.shell("DELETE FROM events WHERE key = 'b'", 'VACUUM', 'PRAGMA wal_checkpoint(TRUNCATE)')
    await incident.web.signalMany(
      Array.from({ length: 90 }, (_, i) => ({ key: 'b', payload: `${i}${long}` })),
    )
    await incident.expectHealed([])
    expect(incident.shell("SELECT count(*) FROM events WHERE key = 'a'")).to.equal('2')
  })

  it('says STORE_UNCERTAIN where a committed event cannot be made sure of, and dedupe makes the retry safe', async function () {
    if (process.getuid?.() !== 0) skip(this, 'only root can become another user for a moment')
    const { path, root, web } = incident
    for (const folder of [root, dirname(path)]) chmodSync(folder, 0o755)
    const which = ['a', 'which', { dedupe: 'which' }] as const
    let refused = ''
    // Between a look at the files and the next commit lie a few milliseconds at most.
    for (let round = 0; refused !== 'STORE_UNCERTAIN' && round < 20; round += 1) {
      await pause(100)
      const looked = web.signal('a', 'looked')
      for (const suffix of SUFFIXES) renameSync(path + suffix, `${path}.away${suffix}`)
      process.seteuid?.(65_534)
      try {
        refused = (await failure(web.signal(...which))).code
      } finally {
        process.seteuid?.(0)
        for (const suffix of SUFFIXES) renameSync(`${path}.away${suffix}`, path + suffix)
      }
      await looked
    }
    expect(refused).to.equal('STORE_UNCERTAIN')
    await web.signal(...which)
    await incident.heard('which')
    expect(incident.shell('SELECT count(*) FROM events WHERE payload = \'"which"\'')).to.equal('1')
  })

  it('replays no -wal of a killed process into a copy that is renamed into place', async () => {
    const { path, root } = incident
    const worker = await incident.worker()
    await worker.publish('w0')
    incident.shell(`.backup ${root}/older.sqlite`)
    await worker.publish(...Array.from({ length: 50 }, (_, i) => `${i}`))
    await incident.web.close()
    await worker.child.stop('SIGKILL')
    expect(existsSync(`${path}-wal`)).to.equal(true)
    renameSync(`${root}/older.sqlite`, path)
    const fresh = await incident.worker()
    await fresh.publish('f0')
    expect(incident.shell('PRAGMA integrity_check')).to.equal('ok')
    expect(incident.shell('SELECT payload FROM events')).to.equal('"w0"\n"f0"')
    const ids = [...incident.acknowledged.values()]
    expect(new Set(ids).size).to.equal(ids.length)
  })

  it('goes on above all numbers where the -wal was lost while nothing ran', async () => {
    const { path } = incident
    const worker = await incident.worker()
    await incident.web.close()
    await worker.publish('w0')
    incident.shell('PRAGMA wal_checkpoint(TRUNCATE)')
    await worker.publish(...Array.from({ length: 50 }, (_, i) => `${i}`))
    await worker.child.stop('SIGKILL')
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix)
    await (await incident.worker()).publish('f0')
    const ids = [...incident.acknowledged.values()]
    expect(new Set(ids).size).to.equal(ids.length)
    expect(incident.shell('PRAGMA integrity_check')).to.equal('ok')
  })
})
