import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { quote } from '../errors.js'
import { createPaths, type Paths } from '../paths.js'
import type { FileSignalStats } from '../stats.js'
import { checkLocally } from './local/checks.js'
import { checkDelivery, DOCTOR_KEY } from './local/delivery.js'
import { checkHolders } from './local/holders.js'
import { checkWatching } from './local/inotify.js'
import { openAt } from './local/open-at.js'
import { findPlaces, type StorePlaces } from './local/places.js'
import { type DoctorOptions, type DoctorSettings, validateDoctor } from './options.js'
import {
  type Check,
  type CheckGroup,
  type CheckStatus,
  type Finding,
  fail,
  pass,
  reasonOf,
  safely,
  skip,
  type Tell,
  warn,
  wordsOf,
} from './result.js'
import { checkStream, type StreamVerdict } from './web/stream.js'

/** What was found: every check in order, how many there are of each status, and what was measured at the address. */
export interface Diagnosis {
  /** False where a check failed. */
  readonly ok: boolean
  readonly counts: Readonly<Record<CheckStatus, number>>
  readonly checks: readonly Check[]
  /** Null without an address, and where there is no stream at it. */
  readonly stream: StreamVerdict | null
}

/** Runs all checks, one after the other. Rejects with OPTION_INVALID and KEY_INVALID; everything else is a finding. */
export async function diagnose(options: DoctorOptions = {}): Promise<Diagnosis> {
  const settings = validateDoctor(options)
  const checks: Check[] = []

  function tell(group: CheckGroup, name: string, finding: Finding): void {
    const check = { group, name, ...finding }
    checks.push(check)
    settings.onCheck(check)
  }

  const app = await pathsOf(settings, tell)
  // Without the instance's own the paths are a guess: good enough to look at, not to publish to.
  const paths = app ?? createPaths(settings.places)
  const places = settings.local || settings.publish !== null ? findPlaces(paths) : null
  const isSound = settings.local ? await checkLocally(paths, places, tell) : places !== null
  const isUsable = isSound && app !== null
  const epoch = isUsable && places ? await deliver(settings, places, tell) : null
  if (settings.local && !isUsable)
    tell('delivery', 'round trip', skip('not tried: first mend what failed above'))
  const stream = settings.target
    ? await look({ ...settings, events: app && settings.events }, places, epoch, tell)
    : null
  const counts = { pass: 0, warn: 0, fail: 0, skip: 0 }
  for (const { status } of checks) counts[status] += 1
  return { ok: counts.fail === 0, counts, checks, stream }
}

/** Far more than all waits of a diagnosis take, where connections are quick. */
const LONGEST = 30_000

/** An instance of the app's own knows its paths; nobody else's rules count then. Null where it tells nothing. */
async function pathsOf({ places, events }: DoctorSettings, tell: Tell): Promise<Paths | null> {
  if (events === null) return createPaths(places)
  let stats: FileSignalStats
  try {
    stats = await events.stats()
  } catch (error) {
    const { words, remedy } = wordsOf(error)
    tell('files', 'instance', fail(`its stats() failed: ${words}`, remedy ?? 'look into its log'))
    return null
  }
  const { root, store, signal } = stats
  if (root === null || store.place === null || signal.file === null) return createPaths(places)
  const found = { root, store: store.place, signal: signal.file }
  return {
    root: () => found.root,
    directory: () => dirname(found.signal),
    signalFile: () => found.signal,
    database: () => found.store,
  }
}

/** Resolves with the store's epoch, null where it cannot be used. */
async function deliver(settings: DoctorSettings, places: StorePlaces, tell: Tell): Promise<string | null> {
  // Without the local checks nobody has looked whether this user should create anything.
  if (!settings.local) return existsSync(places.store) ? epochOf(settings, places) : null
  const { roundTrip, otherProcess, epoch } = await checkDelivery(places, settings.places)
  tell('delivery', 'round trip', roundTrip)
  tell('delivery', 'watching', await safely(() => checkWatching(places)))
  tell('delivery', 'another process', otherProcess)
  tell('delivery', 'store in use', await safely(() => checkHolders(places)))
  return epoch
}

async function look(
  settings: DoctorSettings,
  places: StorePlaces | null,
  epoch: string | null,
  tell: Tell,
): Promise<StreamVerdict | null> {
  const { target, events, idle, onIdle, headers, insecure, publish: key } = settings
  if (target === null) return null
  const publisher = key !== null && places !== null && epoch !== null ? openAt(places, settings.places) : null
  if (key !== null && publisher === null) {
    tell(
      'stream',
      'delay',
      fail(
        'not measured: the store cannot be used here, so nothing can be published',
        'run this as the user and in the project of the app, or without --publish',
      ),
    )
  }
  let published = 0
  try {
    return await checkStream({
      client: { headers, site: target.url, insecure, until: performance.now() + LONGEST + (idle ?? 0) },
      target,
      tell,
      places: epoch === null ? null : places,
      epoch,
      publish:
        key !== null && publisher
          ? {
              key,
              send: async (payload) => {
                await publisher.signal(key, payload, { event: 'doctor' })
                published += 1
              },
            }
          : null,
      count: events ? async () => (await events.stats()).streams.streams : null,
      idle,
      onIdle,
    })
  } catch (error) {
    tell(
      'address',
      'address',
      fail(reasonOf(error), 'run it again; a network that comes and goes looks like this'),
    )
    return null
  } finally {
    if (key !== null && published > 0) tell('stream', 'published', ofPublished(key, published))
    await publisher?.close()
  }
}

/** A stored event is never taken back: whoever is behind would get a reset for it. */
function ofPublished(key: string, published: number): Finding {
  const seen = `${published} events named "doctor" were added to the key ${quote(key)}`
  if (key === DOCTOR_KEY) return pass(seen, { published })
  return warn(
    `${seen}: they stay there, and count where a stream replays its last events`,
    "until newer events follow, { replay: 'last' } shows one of them; where that matters, let a stream of its own carry a key for this",
    { published },
  )
}

async function epochOf(settings: DoctorSettings, places: StorePlaces): Promise<string | null> {
  const events = openAt(places, settings.places)
  try {
    return (await events.stats()).store.epoch
  } catch {
    return null
  } finally {
    await events.close()
  }
}
