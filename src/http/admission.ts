import type { IncomingHttpHeaders } from 'node:http'
import { codeOf, FileSignalError } from '../errors.js'
import type { StreamPlan } from '../options.js'
import type { KeySource } from './keys.js'

/** What is used of a request, in either HTTP version. */
export interface Incoming {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: IncomingHttpHeaders
}

/** An answer instead of a stream: status and plain text. */
export interface Refusal {
  readonly status: number
  readonly text: string
}

/** The keys of an admitted request, or why there is no stream for it. */
export type Admission = { readonly keys: readonly string[] } | Refusal

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
  try {
    const keys = await source(context)
    if (keys.length === 0) return FORBIDDEN
    if (plan.authorize && !(await plan.authorize(context, keys))) return FORBIDDEN
    return { keys }
  } catch (error) {
    if (isBadInput(error)) return { status: 400, text: `${error.message}\n` }
    throw error
  }
}

/** The id to go on after, null for none: the header beats `?lastEventId`, and an empty one is none. */
export function lastEventIdOf(request: Incoming): string | null {
  const header = request.headers['last-event-id']
  if (header) return String(header)
  const url = request.url ?? ''
  const query = url.indexOf('?')
  if (query < 0) return null
  return new URLSearchParams(url.slice(query)).get('lastEventId') || null
}

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

function isBadInput(error: unknown): error is FileSignalError {
  return error instanceof FileSignalError && ['KEY_INVALID', 'OPTION_INVALID'].includes(codeOf(error))
}
