import type { IncomingHttpHeaders } from 'node:http'
import { FileSignalError } from '../errors.js'
import type { StreamPlan } from '../options.js'
import { checkKeys } from '../stream/keys.js'
import type { Mode } from '../stream/request.js'
import type { KeySource, KeysAnswer } from './keys.js'

/** What is used of a request, in either HTTP version. */
export interface Incoming {
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** Express: the whole address, where `url` is what its router has left of it. */
  readonly originalUrl?: string | undefined
  readonly headers: IncomingHttpHeaders
}

/** An answer instead of a stream: status and plain text. */
export interface Refusal {
  readonly status: number
  readonly text: string
}

/** The keys of an admitted request, or why there is no stream for it. */
export type Admission = { readonly keys: readonly string[] } | Refusal

/** What the address and the headers say of the stream that is wanted. */
export interface Wishes {
  /** The id to go on after; null for none. */
  readonly lastEventId: string | null
  /** `?mode=`: an answer that ends, for places where an open one is held back. */
  readonly mode: Mode
  /** `?hello`: the client looks whether the way holds its stream back. */
  readonly hello: boolean
  /** `?hello=named`: the page says whose it is, and takes what is made for one client only from pages that say the same. */
  readonly named: boolean
}

/**
 * Decides whether a request gets a stream: 406 where it does not accept one, 400 for keys that are
 * none, 403 without keys and where `authorize` says no. Rejects with what the user's functions throw.
 */
export async function admit<Context>(
  request: Incoming,
  context: Context,
  source: KeySource<Context>,
  plan: Pick<StreamPlan<Context>, 'authorize'>,
): Promise<Admission> {
  if (!acceptsStream(request.headers.accept)) {
    return { status: 406, text: 'This is an event stream. Ask for it with Accept: text/event-stream\n' }
  }
  const admission = typeof source === 'function' ? checkAnswer(await source(context)) : { keys: source }
  if ('status' in admission) return admission
  if (plan.authorize && !(await plan.authorize(context, admission.keys))) return FORBIDDEN
  return admission
}

/** What the client wishes: the header beats `?lastEventId`, and an empty one is none. */
export function wishesOf(request: Incoming): Wishes {
  const query = queryOf(request.url ?? '')
  const header = request.headers['last-event-id']
  return {
    lastEventId: (header ? String(header) : query?.get('lastEventId')) || null,
    mode: ENDING.find((mode) => mode === query?.get('mode')) ?? 'stream',
    hello: query?.has('hello') ?? false,
    named: query?.get('hello') === 'named',
  }
}

function queryOf(url: string): URLSearchParams | null {
  const at = url.indexOf('?')
  return at < 0 ? null : new URLSearchParams(url.slice(at))
}

const ENDING = ['short', 'now', 'probe'] as const
const FORBIDDEN: Refusal = Object.freeze({ status: 403, text: 'Forbidden\n' })
const STREAM_TYPES = ['text/event-stream', 'text/*', '*/*']

/** No Accept at all accepts everything; a type with q=0 is one that the client does not want. */
function acceptsStream(accept: string | undefined): boolean {
  if (!accept) return true
  return accept.split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    return STREAM_TYPES.includes(type) && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  })
}

/** What a browser named is the browser's fault; what the user's function throws is not. */
function checkAnswer(answer: KeysAnswer): Admission {
  if (answer === null || answer === undefined || answer.length === 0) return FORBIDDEN
  try {
    return { keys: checkKeys(answer) }
  } catch (error) {
    if (error instanceof FileSignalError) return { status: 400, text: `${error.message}\n` }
    throw error
  }
}
