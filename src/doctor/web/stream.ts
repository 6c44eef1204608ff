import type { StorePlaces } from '../local/places.js'
import { type Finding, fail, guard, pass, safely, showTime, skip, type Tell } from '../result.js'
import { checkAnswer, checkFirstByte } from './answer.js'
import { arrive } from './arrive.js'
import { type Evidence, judge } from './buffering.js'
import { checkDelays, type Delays, type Publish, unheard } from './delay.js'
import { asksPlainly, checkEncoding, encodingOf } from './encoding.js'
import { checkBeginning, checkEnding } from './ending.js'
import { areUsual, checkExposure } from './exposure.js'
import { type Heard, publishInto } from './hearing.js'
import type { OnIdle } from './idle.js'
import { waitForLater } from './later.js'
import { type Layer, readWay, type Way } from './layers.js'
import { checkLeaving } from './leaving.js'
import { isFinding, type Opening, openStream } from './opening.js'
import type { Client } from './probe.js'
import { readyOf } from './ready.js'
import { checkSameStore } from './same-store.js'
import { checkShort, type Short } from './short.js'
import { checkHttpVersion, type Second } from './six.js'
import { isSameSite, type Target } from './target.js'

/** What is needed to look at the address of a stream. */
export interface StreamSite {
  readonly client: Client
  readonly target: Target
  readonly tell: Tell
  /** The local files, and the epoch of the local store; null where they are not looked at, or not usable. */
  readonly places: StorePlaces | null
  readonly epoch: string | null
  /** Null where nothing is to be published. */
  readonly publish: { readonly key: string; readonly send: Publish } | null
  /** Open streams of this process, where the app is this process. */
  readonly count: (() => Promise<number>) | null
  /** Milliseconds to watch the idle stream; null not to. */
  readonly idle: number | null
  readonly onIdle: OnIdle
}

/** What was measured at the address, for programs. Times are in milliseconds; null is: not known. */
export interface StreamVerdict {
  /** Where the stream is, after redirects. */
  readonly url: string
  /** True where events come through one by one while the stream is open. */
  readonly streams: boolean | null
  /** True where some layer holds the stream back. */
  readonly buffered: boolean | null
  /** The layer that does so, where headers name one. */
  readonly by: Layer | null
  /** Content-Encoding that a browser gets. */
  readonly compressed: string | null
  /** The layers that headers name, the browser's side first. */
  readonly layers: readonly Layer[]
  /** HTTP version that a browser gets. */
  readonly http: '1.1' | '2'
  readonly firstByte: number | null
  readonly delay: Delays | null
  /** Whether short responses come through, and from signal() to such a response. */
  readonly short: boolean
  readonly shortDelay: number | null
}

/**
 * Looks at the address of a stream from the outside, as a browser would. Always ends: every wait has its own
 * bound. Resolves with null where there is no stream to look at.
 */
export async function checkStream(site: StreamSite): Promise<StreamVerdict | null> {
  const { client, tell } = site
  const first = await arrive(client, site.target, (name, finding) => tell('address', name, finding))
  if (!first) return null
  try {
    const opening = await openStream(client, first)
    if (isFinding(opening)) {
      tell('address', 'answer', opening)
      await tellFiles(site, first.target)
      return null
    }
    try {
      const answer = judgeAnswer(opening, client)
      tell('address', 'answer', answer)
      if (answer.status !== 'fail') return await measure(site, opening)
      await tellFiles(site, opening.probe.target)
      return null
    } finally {
      opening.probe.exchange.leave()
    }
  } finally {
    first.exchange.leave()
  }
}

/** A web server may answer in the app's place, as our nginx file does: then nothing else can be known. */
function judgeAnswer({ answer, came, probe }: Opening, { headers, site }: Client): Finding {
  const { url } = probe.target
  const withheld = Object.keys(headers).length > 0 && !isSameSite(url, site) ? url : null
  const finding = checkAnswer(answer, withheld)
  if (finding.status === 'fail' || came === 'ready') return finding
  const fault = checkBeginning(probe.exchange)
  return fault ? { ...fault, details: { ...finding.details, ...fault.details } } : finding
}

/** Each part is guarded: one that throws must not take the others along. */
async function measure(site: StreamSite, opening: Opening): Promise<StreamVerdict> {
  const { client, tell, publish } = site
  const { probe, answer } = opening
  const { target } = probe
  const way = readWay(answer.headers)
  const encoding = encodingOf(answer.headers)
  const isPlainWanted = opening.plain === null && (opening.came !== 'ready' || encoding !== null)
  const [short, plain] = await Promise.all([
    guard(() => checkShort(client, target), noShort),
    isPlainWanted
      ? guard(
          () => asksPlainly(client, target),
          () => null,
        )
      : opening.plain,
  ])
  const second = await guard(() => checkHttpVersion(client, target), noSecond)
  tell('address', 'http version', second.version)
  tell('address', 'six connections', second.limit)
  const cursor = readyOf(probe.exchange)?.id ?? short.cursor
  const store = tellSameStore(site, cursor)
  if (site.places) tell('address', 'web access', await safely(() => lookForFiles(site, target, store)))

  tell('stream', 'layers', ofWay(way))
  tell('stream', 'first byte', checkFirstByte(probe.exchange.firstByte, opening.slow, probe.connected.tcp))
  const heard = await hear(site, opening, short, second)
  tell('stream', 'short responses', ofShort(short, heard))
  const mayWrite = heard !== null && (heard.delays?.arrived || heard.short !== null)
  const app = { store, count: site.count, publish: mayWrite && publish ? publish.send : null }
  tell('stream', 'leaving', await safely(() => checkLeaving(client, target, app)))

  const later = await guard(
    () => waitForLater(opening, heard?.known ?? false, site),
    () => null,
  )
  const ending = site.idle === null ? checkEnding(probe.exchange) : null
  if (ending) tell('stream', 'ending', ending)
  const evidence: Evidence = {
    came: opening.came,
    shortWorks: short.works,
    plainStreams: opening.came === 'ready' ? null : plain,
    delays: heard?.delays ?? null,
    shortDelay: heard?.short ?? null,
    later,
    isEnded: heard?.ended === 'early',
    way,
    encoding,
  }
  const buffering = judge(evidence)
  const streams = second.streams === false ? false : buffering.streams
  tell('stream', 'compression', checkEncoding(answer.headers, streams, plain))
  if (heard && publish) {
    tell(
      'stream',
      'delay',
      heard.known
        ? checkDelays(heard.delays, heard.ended !== null)
        : unheard(publish.key, heard, isOther(site, cursor)),
    )
  }
  tell('stream', 'buffering', buffering.finding)
  return {
    url: target.url.href,
    streams,
    buffered: streams === null ? null : !streams,
    by: buffering.layer,
    compressed: encoding,
    layers: way.layers,
    http: second.http,
    firstByte: probe.exchange.firstByte,
    delay: heard?.delays ?? null,
    short: short.works,
    shortDelay: heard?.short ?? null,
  }
}

function noShort(finding: Finding): Short {
  return { works: false, cursor: null, time: null, finding }
}

function noSecond(version: Finding): Second {
  return { version, limit: skip('not tried: see "http version"'), streams: null, http: '1.1' }
}

/** Null where nothing is published, or that failed. */
async function hear(
  { client, publish, tell }: StreamSite,
  opening: Opening,
  { cursor }: Short,
  second: Second,
): Promise<Heard | null> {
  if (!publish) return null
  return guard<Heard | null>(
    () => publishInto(client, opening, cursor, second, publish.send),
    (unknown) => {
      tell('stream', 'delay', fail(unknown.seen, unknown.remedy ?? 'see "round trip"'))
      return null
    },
  )
}

/** Where there is no stream its store is not known: then the names that every project has are asked for, and no others. */
async function tellFiles(site: StreamSite, target: Target): Promise<void> {
  const { places, tell } = site
  if (places === null) return
  const store = areUsual(places) ? places.store : null
  tell('address', 'web access', await safely(() => lookForFiles(site, target, store)))
}

/** Paths of this account are told to its own server alone: it reads the same store, and is the one that was named. */
function lookForFiles(
  { client, places }: StreamSite,
  target: Target,
  store: string | null,
): Finding | Promise<Finding> {
  if (places === null || store === null) {
    return skip('not asked: the address is not known to read the store that is used here')
  }
  if (!isSameSite(target.url, client.site)) {
    return skip(`not asked: the stream is on another site, ${target.url.host}`, 'give its own address')
  }
  return checkExposure(client, target, places)
}

/** Whether the address is known to read another store than the one that is published to. */
function isOther({ epoch }: StreamSite, cursor: string | null): boolean {
  return epoch !== null && cursor !== null && cursor !== '' && !cursor.startsWith(`${epoch}-`)
}

/** The store's path where the address reads the same; else null. */
function tellSameStore({ epoch, places, tell }: StreamSite, cursor: string | null): string | null {
  if (epoch === null || places === null) return null
  const { isSame, finding } = checkSameStore(places.store, epoch, cursor)
  tell('address', 'same store', finding)
  return isSame ? places.store : null
}

function ofWay({ layers, told, accelBuffering, isOurs }: Way): Finding {
  const details = { layers, told, accelBuffering }
  const seen = layers.length === 0 ? 'no header names a layer' : `${layers.join(' → ')} by the headers`
  if (!isOurs) return pass(`${seen}; they are not those of a file-signal stream`, details)
  const accel =
    accelBuffering === 'arrived'
      ? 'X-Accel-Buffering arrived, so no nginx has taken it'
      : 'X-Accel-Buffering did not arrive, which only nginx takes away'
  return pass(`${seen}; ${accel}`, details)
}

function ofShort({ finding }: Short, heard: Heard | null): Finding {
  const delay = heard?.short ?? null
  if (delay === null || finding.status !== 'pass') return finding
  return pass(`${finding.seen}; an event came ${showTime(delay)} after its signal`, {
    ...finding.details,
    delay,
  })
}
