import { attempt } from '../../attempt.js'
import { findNearStores, type NearStore } from '../../near-stores.js'
import type { Paths } from '../../paths.js'
import { notePlaces } from '../../place-notes.js'
import { type Finding, pass, skip, warn } from '../result.js'
import { findHolders, type Holder, showHolders } from './holders.js'
import type { StorePlaces } from './places.js'

const SHARE =
  'one of two processes that find different roots is not heard: compare "file-signal stats" in each; apps of a workspace that are to share set FILE_SIGNAL_ROOT=../.. in the .env of each; a store that nobody uses may be deleted'

/** Whether the places belong to the project that runs: a copied `.env` may name another, a release is soon gone. */
export async function checkProject(paths: Paths, { store, directory }: StorePlaces): Promise<Finding> {
  const root = attempt(() => paths.root())
  if (root === null) return skip('no project: store and signal file are given in full')
  const notes = await notePlaces({ root, store, directory })
  const details = { notes }
  const doubtful = notes.filter(({ isDoubtful }) => isDoubtful)
  const [first] = doubtful
  if (first) return warn(doubtful.map(({ seen }) => seen).join('; '), first.remedy, details)
  const words = notes.map(({ seen }) => seen).join('; ')
  return pass(words || 'store and signal file are those of the project that runs', details)
}

/** Other stores of ours nearby, and who has them open. */
export async function checkNear({ root, store }: StorePlaces): Promise<Finding> {
  if (root === null) return skip('not looked for: no project root')
  const near = (await findNearStores(root, store)).map((one) => ({ ...one, holders: findHolders(one.path) }))
  const details = { near }
  if (near.length === 0)
    return pass('there is none in the project, above or below it, or in its workspace', details)
  const seen = `there ${near.length === 1 ? 'is another store' : `are ${near.length} other stores`}: ${near.map(show).join('; ')}`
  const isIdle = (findHolders(store) ?? []).length === 0
  const isDoubtful = near.some(
    ({ where, holders }) => where !== 'beside' || (isIdle && (holders ?? []).length > 0),
  )
  return isDoubtful ? warn(seen, SHARE, details) : pass(seen, details)
}

function show({ path, where, holders }: NearStore & { holders: readonly Holder[] | null }): string {
  const users =
    holders === null ? '' : holders.length === 0 ? ', open nowhere' : `, open in ${showHolders(holders)}`
  return `${path} (${where === 'here' ? 'in this project' : `${where} it`}${users})`
}
