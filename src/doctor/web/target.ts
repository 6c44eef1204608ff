import { FileSignalError, quote } from '../../errors.js'

/** The address of a stream, taken apart. */
export interface Target {
  readonly url: URL
  readonly secure: boolean
  /** Without the brackets of an IPv6 address. */
  readonly host: string
  readonly port: number
}

const REMEDY = 'give the whole address of a stream, such as https://example.org/orders.sse'

/** Reads the address of a stream. Throws OPTION_INVALID for anything but http: and https:. */
export function parseTarget(text: string, base?: URL): Target {
  // URL.parse() came with Node 22.
  if (!URL.canParse(text, base?.href)) throw invalid(`url ${quote(withoutSecrets(text))} is no address`)
  const url = new URL(text, base)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalid(`url ${quote(withoutSecrets(text))} is not of http: or https:`)
  }
  if (url.username || url.password) throw invalid('the url holds a password')
  url.hash = ''
  const secure = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { url, secure, host, port: Number(url.port) || (secure ? 443 : 80) }
}

/** The same place with another query parameter. */
export function withQuery({ url }: Target, name: string, value: string): Target {
  const changed = new URL(url)
  changed.searchParams.set(name, value)
  return parseTarget(changed.href)
}

/** What a request line names. */
export function pathOf({ url }: Target): string {
  return url.pathname + url.search
}

/** Whether `url` belongs to the site that was named: the same origin, or the same host once it has gone over to TLS. */
export function isSameSite(url: URL, site: URL): boolean {
  if (url.origin === site.origin) return true
  return url.hostname === site.hostname && site.protocol === 'http:' && url.protocol === 'https:'
}

/** Another path of the same site. */
export function atPath({ url }: Target, path: string): Target {
  return parseTarget(new URL(path, url).href)
}

/** What could not be read as an address may hold a password or a token all the same, and logs keep what is shown. */
function withoutSecrets(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/|\/\/)?.*@/is, '$1…@').replace(/[?#].*$/s, '?…')
}

function invalid(what: string): FileSignalError {
  return new FileSignalError('OPTION_INVALID', what, { remedy: REMEDY })
}
