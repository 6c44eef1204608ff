import { quotePath } from '../../errors.js'
import { findHolders, showHolders } from '../local/holders.js'
import type { StorePlaces } from '../local/places.js'
import { type CheckGroup, type Finding, fail, pass, showTime, skip, warn } from '../result.js'
import { checkAnswer, checkFirstByte } from './answer.js'
import { arrive } from './arrive.js'
import { type Evidence, judge } from './buffering.js'
import { checkDelays, type Delays, measureDelays, measureShort, type Publish, unheard } from './delay.js'
import { asksPlainly, checkEncoding, encodingOf } from './encoding.js'
import { checkExposure } from './exposure.js'
import type { OnIdle } from './idle.js'
import { waitForLater } from './later.js'
import { type Layer, readWay, type Way } from './layers.js'
import { checkLeaving } from './leaving.js'
import { isFinding, type Opening, openStream } from './opening.js'
import { type Client, headersOf, open2, type Probe } from './probe.js'
import { isReady, readyOf } from './ready.js'
import { checkShort, type Short } from './short.js'
import { checkHttpVersion, type Second } from './six.js'
import type { Target } from './target.js'

/** What is needed to look at the address of a stream. */
export interface StreamSite {
  readonly client: Client
  readonly target: Target
  readonly tell: (group: CheckGroup, name: string, finding: Finding) => void
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
      return null
    }
    try {
      const answer = judgeAnswer(opening)
      tell('address', 'answer', answer)
      return answer.status === 'fail' ? null : await measure(site, opening)
    } finally {
      opening.probe.exchange.leave()
    }
  } finally {
    first.exchange.leave()
  }
}

/** A web server may answer in the app's place, as our nginx file does: then nothing else can be known. */
function judgeAnswer({ answer, came, probe }: Opening): Finding {
  const finding = checkAnswer(answer)
  if (finding.status === 'fail' || came === 'ready' || probe.exchange.end?.how !== 'complete') return finding
  return fail(
    'a stream that ended at once, without "ready": most likely the web server answers while the app is down',
    'start the app, and look into its error log',
    finding.details,
  )
}

async function measure(site: StreamSite, opening: Opening): Promise<StreamVerdict> {
  const { client, tell, publish } = site
  const { probe, answer } = opening
  const { target } = probe
  const way = readWay(answer.headers)
  const encoding = encodingOf(answer.headers)
  const isPlainWanted = opening.plain === null && (opening.came !== 'ready' || encoding !== null)
  const [short, plain] = await Promise.all([
    checkShort(client, target),
    isPlainWanted ? asksPlainly(client, target) : opening.plain,
  ])
  const second = await checkHttpVersion(client, target)
  tell('address', 'http version', second.version)
  tell('address', 'six connections', second.limit)
  const isSame = await tellSameStore(site, opening, short)
  if (site.places) tell('address', 'web access', await checkExposure(client, target, site.places))

  tell('stream', 'layers', ofWay(way))
  tell('stream', 'first byte', checkFirstByte(probe.exchange.firstByte, opening.slow, probe.connected.tcp))
  const heard = publish ? await publishInto(site, opening, short, second, publish.send) : null
  tell('stream', 'short responses', ofShort(short, heard))
  const store = isSame ? (site.places?.store ?? null) : null
  const mayWrite = heard !== null && (heard.delays?.arrived || heard.short !== null)
  const app = { store, count: site.count, publish: mayWrite && publish ? publish.send : null }
  tell('stream', 'leaving', await checkLeaving(client, target, app))

  const later = await waitForLater(opening, heard?.known ?? false, site)
  const evidence: Evidence = {
    came: opening.came,
    shortWorks: short.works,
    plainStreams: opening.came === 'ready' ? null : plain,
    delays: heard?.delays ?? null,
    shortDelay: heard?.short ?? null,
    later,
    way,
    encoding,
  }
  const buffering = judge(evidence)
  const streams = second.streams === false ? false : buffering.streams
  tell('stream', 'compression', checkEncoding(answer.headers, streams, plain))
  if (heard && publish) {
    tell('stream', 'delay', heard.known ? checkDelays(heard.delays) : unheard(publish.key))
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

/** The epoch in an id names the store, so it tells whether the address and this command speak of one store. */
async function tellSameStore(site: StreamSite, { probe }: Opening, short: Short): Promise<boolean> {
  if (site.epoch === null || site.places === null) return false
  const [theirs = ''] = (readyOf(probe.exchange)?.id ?? short.cursor ?? '').split('-')
  const details = { here: site.epoch, there: theirs || null }
  if (theirs === '') {
    site.tell('address', 'same store', skip('not known: no cursor has come through', null, details))
    return false
  }
  if (theirs === site.epoch) {
    const holders = findHolders(site.places.store) ?? []
    const who = holders.length > 0 ? `, open in ${showHolders(holders)}` : ''
    site.tell('address', 'same store', pass(`the stream reads the store that is used here${who}`, details))
    return true
  }
  site.tell(
    'address',
    'same store',
    warn(
      `the stream reads another store than ${quotePath(site.places.store)}: what is signalled here never arrives there`,
      'compare `file-signal stats` with `await events.stats()` in the web process: both tell their root and its rule (on another machine this is as it must be)',
      details,
    ),
  )
  return false
}

function ofWay({ layers, told, accelBuffering }: Way): Finding {
  const details = { layers, told, accelBuffering }
  const accel =
    accelBuffering === 'arrived'
      ? 'X-Accel-Buffering arrived, so no nginx has taken it'
      : 'X-Accel-Buffering did not arrive, which only nginx takes away'
  if (layers.length === 0) return pass(`no header names a layer; ${accel}`, details)
  return pass(`${layers.join(' → ')} by the headers; ${accel}`, details)
}

function ofShort({ finding }: Short, heard: Heard | null): Finding {
  const delay = heard?.short ?? null
  if (delay === null || finding.status !== 'pass') return finding
  return pass(`${finding.seen}; an event came ${showTime(delay)} after its signal`, {
    ...finding.details,
    delay,
  })
}

interface Heard {
  readonly delays: Delays | null
  readonly short: number | null
  /** False where no event came by any way: then the key or the store is another, and nothing is proved. */
  readonly known: boolean
}

/** Publishes into the stream as a browser has it, and into a short response. */
async function publishInto(
  { client }: StreamSite,
  { probe, came }: Opening,
  { cursor }: Short,
  { streams, http }: Second,
  send: Publish,
): Promise<Heard> {
  const { target } = probe
  const short = cursor === null ? null : await measureShort(client, target, cursor, send)
  const delays =
    http === '2' && streams
      ? await overHttp2(client, probe, send)
      : came === 'ready'
        ? await measureDelays(probe.exchange, send)
        : null
  return { delays, short, known: short !== null || (delays?.arrived ?? 0) > 0 }
}

async function overHttp2(client: Client, { target }: Probe, send: Publish): Promise<Delays | null> {
  const session = await open2(client, target)
  if (!session) return null
  try {
    const stream = session.get(target.url.pathname + target.url.search, headersOf(client, target, {}))
    await stream.until(isReady, 2500)
    return await measureDelays(stream, send)
  } finally {
    session.close()
  }
}
