import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { ERRORS } from '../dist/errors.js'
import { networkOf } from '../dist/network-disk.js'
import { EPOCH, latency, lateOnes, quiet, useSignals } from './support/signals.js'
import { until } from './support/wait.js'

describe('listening to the signal file', () => {
  const { here, create, listen, raiseElsewhere } = useSignals()
  let place: string
  let path: string
  beforeEach(() => {
    place = here().place
    path = here().path
  })

  describe('watching', () => {
    it('wakes once when it began, watches, and keeps the process alive', async () => {
      const { listener, wakes, reports } = await listen()
      expect(listener.mode).to.equal('watch')
      expect(wakes.at(-1)?.kind).to.equal('watch')
      expect(process.getActiveResourcesInfo()).to.include('FSEventWrap')
      expect(reports).to.deep.equal([])
    })

    it('wakes within milliseconds, and once more a little later', async () => {
      const here = await listen()
      await quiet(here)
      expect(await latency(here, 1)).to.be.below(250)
      await until(() => here.wakes.some(({ kind }) => kind === 're-read'), 'the second look')
      const [first] = here.wakes
      const again = here.wakes.find(({ kind }) => kind === 're-read')
      expect((again?.at ?? 0) - (first?.at ?? 0)).to.be.within(50, 250)
    })

    it('notices each of 200 rapid touches of another process', async () => {
      const here = await listen()
      await quiet(here)
      const { raised } = await raiseElsewhere(Array.from({ length: 200 }, (_, i) => (i % 20 === 0 ? 3 : 0)))
      await until(() => here.wakes.some(({ n }) => n === 200), 'the last row')
      expect(lateOnes(raised, here)).to.deep.equal([])
    })

    it('notices each of two touches 1 to 80 ms apart within 250 ms', async function () {
      this.slow(15_000)
      const here = await listen()
      await quiet(here)
      const gaps = Array.from({ length: 28 }, (_, i) => [150, 1 + i * 3]).flat()
      const { raised } = await raiseElsewhere(gaps)
      await until(() => here.wakes.some(({ n }) => n === gaps.length), 'the last row')
      expect(lateOnes(raised, here)).to.deep.equal([])
    })

    it('notices a writer that truncates, one that replaces, and a plain touch', async () => {
      const here = await listen()
      await quiet(here)
      writeFileSync(path, '7\n')
      await until(() => here.wakes.some(({ n }) => n === 7), 'the truncating writer')
      writeFileSync(join(place, 'new'), '8\n')
      renameSync(join(place, 'new'), path)
      await until(() => here.wakes.some(({ n }) => n === 8), 'the replacing writer')
      await quiet(here)
      execFileSync('touch', [path])
      await until(() => here.wakes.length > 0, 'the plain touch')
    })

    it('is still there when the file was deleted and came back', async () => {
      const here = await listen()
      await quiet(here)
      unlinkSync(path)
      await until(() => existsSync(path), 'the new file')
      await until(() => here.listener.mode === 'watch', 'the new watcher')
      await quiet(here)
      expect(await latency(here, 5)).to.be.below(250)
      expect(here.reports).to.deep.equal([])
    })

    it('is still there when the file was deleted and made again at once', async () => {
      const here = await listen()
      await quiet(here)
      const { ino } = statSync(path)
      unlinkSync(path)
      writeFileSync(path, '')
      for (let i = 0; i < 20 && statSync(path).ino !== ino; i += 1) {
        writeFileSync(join(place, `new${i}`), '')
        renameSync(join(place, `new${i}`), path)
      }
      await here.listener.check()
      await quiet(here)
      expect(await latency(here, 5)).to.be.below(250)
    })

    it('a folder that is deleted is noticed by check, made again and watched', async () => {
      const here = await listen()
      await quiet(here)
      renameSync(dirname(path), join(place, 'away'))
      await here.listener.check()
      expect(existsSync(path)).to.equal(true)
      expect(here.listener.mode).to.equal('watch')
      expect(here.wakes.length).to.be.above(0)
      await quiet(here)
      expect(await latency(here, 6)).to.be.below(250)
    })

    it('a folder that is deleted and made again by a publisher brings no row later than the next check', async () => {
      const here = await listen()
      await quiet(here)
      rmSync(dirname(path), { recursive: true })
      await raiseElsewhere([0])
      await here.listener.check()
      await until(() => here.wakes.some(({ n }) => n === 1), 'the row raised meanwhile')
      await quiet(here)
      expect(await latency(here, 7)).to.be.below(250)
      expect(here.reports).to.deep.equal([])
    })

    it('two instances on one file in one process both go on after it was replaced', async () => {
      const one = await listen()
      const two = await listen()
      await quiet(one)
      const attacks = [
        () => renameSync(dirname(path), join(place, 'away')),
        () => {
          writeFileSync(join(place, 'new'), '')
          renameSync(join(place, 'new'), path)
        },
      ]
      for (const [i, attack] of attacks.entries()) {
        attack()
        // The check of one heals both.
        await one.listener.check()
        await until(() => two.listener.mode === 'watch', 'the other one to watch')
        await quiet(one)
        two.wakes.length = 0
        one.engine.raise({ epoch: EPOCH, n: i + 1 })
        for (const here of [one, two]) {
          await until(() => here.wakes.some(({ kind, n }) => kind === 'watch' && n === i + 1), 'both to wake')
          expect(here.listener.mode).to.equal('watch')
        }
      }
      await one.listener.close()
      await quiet(two)
      expect(await latency(two, 9)).to.be.below(250)
      expect([...one.reports, ...two.reports]).to.deep.equal([])
    })

    it('a link or a FIFO in place of the file is reported once, and healed when it has gone', async () => {
      for (const obstacle of ['link', 'fifo']) {
        const here = await listen()
        await quiet(here)
        unlinkSync(path)
        if (obstacle === 'fifo') execFileSync('mkfifo', [path])
        else symlinkSync('nowhere', path)
        for (let i = 0; i < 3; i += 1) await here.listener.check()
        expect(here.reports.map(({ code }) => code)).to.deep.equal(['SIGNAL_FAILED'])
        expect(here.reports[0]?.remedy).to.equal(ERRORS.PATH_UNSAFE.remedy)
        expect(here.listener.mode).to.equal('poll')
        unlinkSync(path)
        await here.listener.check()
        expect(here.listener.mode).to.equal('watch')
        await quiet(here)
        expect(await latency(here, 8)).to.be.below(250)
        await here.engine.close()
      }
    })

    it('a link in place of the file from the start does not keep it from listening', async () => {
      mkdirSync(dirname(path), { recursive: true })
      symlinkSync('nowhere', path)
      const { listener, reports } = await listen()
      expect(listener.mode).to.equal('poll')
      expect(reports.map(({ code }) => code)).to.deep.equal(['SIGNAL_FAILED'])
      unlinkSync(path)
      await listener.check()
      expect(listener.mode).to.equal('watch')
    })

    it('a second check joins the healing of the first, and close ends it', async () => {
      const here = await listen()
      rmSync(dirname(path), { recursive: true })
      await Promise.all([here.listener.check(), here.listener.check(), here.listener.check()])
      expect(here.listener.mode).to.equal('watch')
      rmSync(dirname(path), { recursive: true })
      await Promise.all([
        here.listener.check(),
        here.listener.close(),
        here.engine.close(),
        here.listener.close(),
      ])
      const { length } = here.wakes
      create().engine.raise({ epoch: EPOCH, n: 1 })
      await sleep(100)
      expect(here.wakes).to.have.length(length)
    })

    it('can be closed while it begins', async () => {
      const { engine } = create()
      const listening = engine.listen(() => {})
      await engine.close()
      await (await listening).close()
    })
  })

  describe('polling', () => {
    it('on request never watches, and wakes within two looks', async () => {
      const here = await listen({ polling: true })
      expect(here.listener.mode).to.equal('poll')
      await quiet(here)
      expect(process.getActiveResourcesInfo()).to.not.include('FSEventWrap')
      expect(await latency(here, 1)).to.be.below(350)
      expect(here.wakes[0]?.kind).to.equal('poll')
      expect(here.reports).to.deep.equal([])
    })

    it('looks again after a fresh mtime, which a second write may not change', async () => {
      const here = await listen({ polling: true }, { poll: 5, reread: 60_000 })
      await quiet(here)
      for (let n = 1; n <= 20 && here.wakes.length < 2; n += 1) {
        here.wakes.length = 0
        await latency(here, n)
        await sleep(50)
      }
      expect(here.wakes.map(({ kind }) => kind)).to.deep.equal(['poll', 'poll'])
    })

    it('makes the file again, and notices what is written to it', async () => {
      const here = await listen({ polling: true })
      rmSync(dirname(path), { recursive: true })
      await here.listener.check()
      expect(existsSync(path)).to.equal(true)
      expect(await latency(here, 3)).to.be.below(350)
    })

    it('a local disk counts as no network', () => {
      mkdirSync(dirname(path), { recursive: true })
      expect(networkOf(path)).to.equal(null)
      expect(networkOf(join(place, 'missing/file'))).to.equal(null)
    })
  })
})
