import { expect } from 'chai'
import { FAULTS } from './faults/actions/faults.js'
import { check } from './faults/checker/check.js'
import { kindsOf, planOf } from './faults/plan.js'
import type { Entry } from './faults/record.js'
import { runFaults } from './faults/run-faults.js'
import { story } from './faults/story.js'

const READERS = new Map([['r', ['a']]])

/** A run in which all went well: ten events, a reset for a fault in the middle, a job, and one that was rejected. */
function goodRun(): Entry[] {
  const entries: Entry[] = [{ type: 'ready', t: 0, reader: 'r', id: 'x-0', own: null }]
  for (let n = 1; n <= 10; n += 1) {
    const epoch = n <= 5 ? 'x' : 'y'
    const t = n * 100
    if (n === 6) {
      entries.push({ type: 'action', t: 590, index: 0, kind: 'unlink-all', resets: 1, lossy: true })
      entries.push({ type: 'done', t: 590, index: 0, kind: 'unlink-all', what: '' })
      // Acknowledged and gone with its store: the reset tells of that.
      entries.push(acked(591, 'x-6', 'gone'))
      entries.push({ type: 'reset', t: 595, reader: 'r', id: 'y-5', reason: 'epoch' })
    }
    entries.push(acked(t, `${epoch}-${n}`, `e${n}`), got(t + 5, `${epoch}-${n}`, `e${n}`))
  }
  entries.push({ ...acked(100_000, 'y-11', 'job'), key: 'jobs' })
  entries.push({ type: 'job', t: 100_005, reader: 'm', id: 'y-11', nonce: 'job' })
  entries.push({
    type: 'rejected',
    t: 100_010,
    began: 100_009,
    by: 'p',
    key: 'a',
    nonce: 'no',
    code: 'STORE_FULL',
    message: '',
  })
  return entries
}

function acked(t: number, id: string, nonce: string): Extract<Entry, { type: 'acked' }> {
  return { type: 'acked', t, began: t - 1, by: 'p', id, key: 'a', nonce, stored: true }
}

function got(t: number, id: string, nonce: string): Extract<Entry, { type: 'got' }> {
  return { type: 'got', t, reader: 'r', id, key: 'a', nonce }
}

/** The rules that a run breaks, once `spoil` has changed it. */
function broken(spoil: (entries: Entry[]) => unknown): string[] {
  const entries = goodRun()
  spoil(entries)
  return [...new Set(check(READERS, entries).map(({ rule }) => rule))]
}

const place = (entries: readonly Entry[], type: Entry['type'], nonce: string) =>
  entries.findIndex((entry) => entry.type === type && 'nonce' in entry && entry.nonce === nonce)

describe('the checker of fault runs', () => {
  it('finds nothing in a run where all went well', () => {
    expect(broken(() => {})).to.deep.equal([])
  })

  it('finds a loss at the end, which nothing follows', () => {
    expect(broken((all) => all.splice(place(all, 'got', 'e10'), 1))).to.deep.equal(['lost'])
  })

  it('finds a gap that the reader went over in silence, though a reset comes later', () => {
    expect(broken((all) => all.splice(place(all, 'got', 'e3'), 1))).to.deep.equal(['lost'])
  })

  it('finds what was published after a reset, in a store that the reader never hears of', () => {
    expect(broken((all) => all.push(acked(2000, 'z-1', 'private')))).to.deep.equal(['no-reset'])
  })

  it('finds a loss that the next reset tells of much too late', () => {
    const late = broken((all) => {
      all.push({ type: 'open', t: 1100, reader: 'r', why: '' }, acked(1200, 'z-1', 'private'))
      all.push({ type: 'action', t: 59_000, index: 1, kind: 'unlink-all', resets: 1, lossy: true })
      all.push({ type: 'reset', t: 60_000, reader: 'r', id: 'w-20', reason: 'epoch' })
    })
    expect(late).to.deep.equal(['late-reset'])
  })

  it('finds a double, and one id that comes again after a reset', () => {
    expect(broken((all) => all.push(got(1100, 'y-10', 'e10')))).to.have.members(['doubled', 'id-again'])
    const again = broken((all) => all.splice(place(all, 'acked', 'e6'), 0, got(596, 'x-5', 'e5')))
    expect(again).to.include('id-again')
  })

  it('finds one event under two ids, but for a repeated call whose first row a fault may have taken', () => {
    const repeat = [acked(1100, 'y-12', 'e10'), got(1105, 'y-12', 'e10')]
    expect(broken((all) => all.push(...repeat))).to.deep.equal(['doubled'])
    const fault = { type: 'action', t: 1050, index: 1, kind: 'delete-rows', resets: 1, lossy: true } as const
    expect(broken((all) => all.push(fault, ...repeat))).to.deep.equal([])
  })

  it('finds two events that came in the wrong order', () => {
    const swapped = broken((all) => {
      const [first, second] = [place(all, 'got', 'e7'), place(all, 'got', 'e8')]
      const [one, other] = [all[first], all[second]] as [Entry, Entry]
      all[first] = other
      all[second] = one
    })
    expect(swapped).to.include('order')
  })

  it('finds an epoch that changes without a reset', () => {
    const silent = broken((all) =>
      all.splice(
        all.findIndex(({ type }) => type === 'reset'),
        1,
      ),
    )
    expect(silent).to.include('no-reset')
  })

  it('finds one id that was given to two events, also where no reader has either', () => {
    expect(broken((all) => all.push({ ...acked(1100, 'x-5', 'other'), key: 'b' }))).to.deep.equal([
      'id-twice',
    ])
  })

  it('finds an event that was rejected, and delivered; not where the outcome was unknown', () => {
    const deliver = (all: Entry[]) => all.push(got(100_020, 'y-12', 'no'))
    expect(broken(deliver)).to.deep.equal(['rejected'])
    const unknown = broken((all) => {
      const at = place(all, 'rejected', 'no')
      all[at] = { ...(all[at] as Extract<Entry, { type: 'rejected' }>), code: 'STORE_UNCERTAIN' }
      deliver(all)
    })
    expect(unknown).to.deep.equal([])
  })

  it('finds a reset that no fault accounts for', () => {
    const more = broken((all) =>
      all.push({ type: 'reset', t: 1100, reader: 'r', id: 'y-10', reason: 'epoch' }),
    )
    expect(more).to.deep.equal(['resets'])
  })

  it('finds a job that nobody got, and one that two got', () => {
    expect(broken((all) => all.splice(place(all, 'job', 'job'), 1))).to.deep.equal(['job-lost'])
    const doubled = broken((all) =>
      all.push({ type: 'job', t: 200_000, reader: 'n', id: 'y-11', nonce: 'job' }),
    )
    expect(doubled).to.deep.equal(['job-doubled'])
  })

  it('finds a store that is not well and never said so', () => {
    const health = { type: 'health', t: 1100, by: 'web1', code: 'STORE_FAILED', message: '' } as const
    expect(broken((all) => all.push(health))).to.deep.equal(['unhealed'])
    const told = { type: 'report', t: 1000, by: 'web1', code: 'STORE_FAILED', message: '' } as const
    expect(broken((all) => all.push(told, health))).to.deep.equal([])
  })
})

describe('a plan of faults', () => {
  it('is the same for the same seed, and has every kind in it over time', () => {
    const plan = (seed: number) =>
      planOf(seed, FAULTS, 400_000).map(({ at, seed: own, fault }) => [at, own, fault.kind])
    expect(plan(7)).to.deep.equal(plan(7))
    expect(plan(7)).to.not.deep.equal(plan(8))
    expect(new Set(plan(7).map(([, , kind]) => kind)).size).to.equal(FAULTS.length)
  })

  it('can be of some kinds, or without some', () => {
    expect(kindsOf(['locks', 'kill'], ['lock-all']).map(({ kind }) => kind)).to.deep.equal([
      'kill',
      'lock-write',
      'lock-read',
    ])
    expect(() => kindsOf(['floods'], [])).to.throw('there is no fault "floods"')
  })
})

describe('under random faults', () => {
  it('every acknowledged event arrives once and in order, or a reset tells', async function () {
    this.timeout(240_000)
    const seed = Number(process.env.FAULTS_SEED ?? 11)
    console.log(`      seed ${seed}`)
    const outcome = await runFaults({ seed, ms: 60_000, faults: FAULTS })
    if (outcome.violations.length > 0) throw new Error(story(outcome).join('\n'))
  })
})
