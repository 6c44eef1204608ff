import { chmodSync, chownSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { ERRORS } from '../dist/errors.js'
import { withoutInotify } from './setup/inotify.js'
import { fixture, noSecondUser } from './support/child.js'
import { EPOCH, useSignals } from './support/signals.js'
import { skip } from './support/skip.js'
import { until } from './support/wait.js'

describe('the signal file where the system refuses', () => {
  const { here, create, listen, raiseElsewhere, listenElsewhere } = useSignals()
  let place: string
  let path: string
  beforeEach(() => {
    place = here().place
    path = here().path
  })

  it('inotify spent: polls, says so once, and watches again when there is some', async function () {
    const prefix = withoutInotify()
    if (!prefix) skip(this, 'unshare cannot make a user namespace here')
    const { child, lines } = listenElsewhere({ prefix })
    const { listening } = await until(() => lines().find((line) => line.listening), 'the listener')
    expect(listening).to.equal('poll')
    const raising = create().engine
    raising.raise({ epoch: EPOCH, n: 1 })
    await until(() => lines().some(({ wake, n }) => wake === 'poll' && n === 1), 'the row, by polling')
    // Several attempts to watch again have failed by now: each ends with one wake-up.
    await until(() => lines().filter(({ wake }) => wake === 'poll').length > 4, 'attempts to watch again')
    const reports = lines().filter(({ report }) => report)
    expect(reports).to.have.length(1)
    expect(reports[0]).to.include({ report: 'WATCH_FAILED', remedy: ERRORS.WATCH_FAILED.remedy })
    expect(reports[0]?.message).to.include('EMFILE')
    child.send('inotify 16')
    await until(() => lines().some(({ wake, mode }) => wake === 'watch' && mode === 'watch'), 'the watcher')
    raising.raise({ epoch: EPOCH, n: 2 })
    await until(() => lines().some(({ wake, n }) => wake === 'watch' && n === 2), 'the row, by the watcher')
    child.send('close')
    expect(await child.ended).to.include({ code: 0, stderr: '' })
  })

  it('a silent watcher is found out by the self-test, and left when it speaks', async () => {
    const env = { NODE_OPTIONS: `--import ${pathToFileURL(fixture('silent-watch'))}` }
    const { child, lines } = listenElsewhere({ env })
    const { listening } = await until(() => lines().find((line) => line.listening), 'the listener')
    expect(listening).to.equal('poll')
    expect(lines().filter(({ report }) => report)).to.have.length(1)
    expect(lines().find(({ report }) => report)).to.include({ report: 'WATCH_FAILED' })
    create().engine.raise({ epoch: EPOCH, n: 1 })
    await until(() => lines().some(({ wake, n }) => wake === 'poll' && n === 1), 'the row, by polling')
    child.send('native')
    await until(() => lines().some(({ wake, mode }) => wake === 'watch' && mode === 'watch'), 'the watcher')
    expect(lines().filter(({ report }) => report)).to.have.length(1)
    child.send('close')
    expect(await child.ended).to.include({ code: 0, stderr: '' })
  })

  for (const what of ['file', 'folder'] as const) {
    it(`the ${what} made unreadable: says so once, goes on, and heals`, async function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      chownSync(place, 54301, 54301)
      const { child, lines } = listenElsewhere({ uid: 54301, gid: 54301 })
      await until(() => lines().some(({ listening }) => listening === 'watch'), 'the listener')
      const locked = what === 'file' ? path : dirname(path)
      const mode = statSync(locked).mode & 0o777
      chmodSync(locked, 0)
      for (let i = 0; i < 3; i += 1) child.send('check')
      await until(() => lines().filter(({ done }) => done).length === 3, 'three checks')
      const reports = lines().filter(({ report }) => report)
      expect(reports).to.have.length(1)
      expect(reports[0]).to.include({ report: 'SIGNAL_FAILED', remedy: ERRORS.SIGNAL_FAILED.remedy })
      expect(lines().at(-1)?.mode).to.equal('poll')
      chmodSync(locked, mode)
      child.send('check')
      await until(
        () =>
          lines()
            .filter(({ done }) => done)
            .at(3)?.mode === 'watch',
        'the watcher',
      )
      create().engine.raise({ epoch: EPOCH, n: 1 })
      await until(() => lines().some(({ wake, n }) => wake === 'watch' && n === 1), 'the row, by the watcher')
      expect(lines().filter(({ report }) => report)).to.have.length(1)
    })
  }

  it('a publisher of another user wakes us through a shared group', async function () {
    const why = noSecondUser()
    if (why) skip(this, why)
    const rights = { mode: 0o660, group: 54300 }
    const { wakes, reports } = await listen({}, {}, rights)
    const user = { uid: 54302, gid: 54300 }
    expect((await raiseElsewhere([0], rights, user)).reports).to.deep.equal([])
    await until(() => wakes.some(({ n }) => n === 1), 'the row of the other user')
    expect(reports).to.deep.equal([])
  })

  it('a publisher without the right to write says so once, and exits well', async function () {
    const why = noSecondUser()
    if (why) skip(this, why)
    create().engine.raise({ epoch: EPOCH, n: 5 })
    const { code, reports } = await raiseElsewhere([0, 0, 0], {}, { uid: 54302, gid: 54302 })
    expect({ code, reports }).to.deep.equal({ code: 0, reports: ['SIGNAL_FAILED'] })
    expect(readFileSync(path, 'latin1')).to.include('testtest-5 ')
  })

  it('a listener that may not write believes its watcher without a test', async function () {
    const why = noSecondUser()
    if (why) skip(this, why)
    const { engine } = create()
    engine.raise({ epoch: EPOCH, n: 5 })
    chmodSync(dirname(path), 0o755)
    chmodSync(join(place, 'tmp'), 0o755)
    chmodSync(path, 0o644)
    const { lines } = listenElsewhere({ uid: 54302, gid: 54302 })
    await until(() => lines().some(({ listening }) => listening === 'watch'), 'the listener')
    engine.raise({ epoch: EPOCH, n: 6 })
    await until(() => lines().some(({ wake, n }) => wake === 'watch' && n === 6), 'the row')
    expect(lines().filter(({ report }) => report)).to.deep.equal([])
  })
})
