import { type Finding, fail, pass, showTime, warn } from '../result.js'
import { ConnectFault } from './connect-fault.js'
import { ask, type Client, type Probe } from './probe.js'
import { isSameSite, parseTarget, type Target } from './target.js'

/** Hands on what a check of the address has found. */
type TellAddress = (name: string, finding: Finding) => void

const MOST_REDIRECTS = 5
/** How long an answer may take to begin before it counts as held back, or slow. */
export const PATIENCE = 3000
const MOVED = [301, 302, 303, 307, 308]

/**
 * Goes to the address as a browser's EventSource would, redirects included, and tells of name, connection,
 * certificate and redirects. Resolves with the request at the end of the way, whose answer may still be on
 * its way; null where there is none.
 */
export async function arrive(client: Client, target: Target, tell: TellAddress): Promise<Probe | null> {
  const way: URL[] = []
  for (let next = target; ; ) {
    const probe = await reach(client, next, tell)
    if (!probe) return null
    const { exchange } = probe
    await exchange.until(({ status }) => status !== null, PATIENCE)
    const location = exchange.headers.location
    if (exchange.status === null || !MOVED.includes(exchange.status) || location === undefined) {
      tellConnection(probe, tell)
      if (way.length > 0) tell('redirects', ofWay(client, way, next.url))
      return probe
    }
    exchange.leave()
    way.push(next.url)
    const fault = faultOf(way, location, next.url)
    if (fault) {
      tell('redirects', fault)
      return null
    }
    next = parseTarget(location, next.url)
  }
}

async function reach(client: Client, target: Target, tell: TellAddress): Promise<Probe | null> {
  try {
    return await ask(client, target)
  } catch (error) {
    if (!(error instanceof ConnectFault)) throw error
    tell(error.step, fail(error.message, error.remedy, { code: error.code, url: target.url.href }))
    return null
  }
}

function tellConnection({ connected, target }: Probe, tell: TellAddress): void {
  const { address, dns, tcp, tls, silent } = connected
  const details = { address, dns, tcp, tls, silent }
  const seen = `${address} port ${target.port}: name ${showTime(dns)}, connection ${showTime(tcp)}`
  if (silent.length > 0) {
    tell(
      'connection',
      warn(
        `${seen}, after no answer from ${silent.join(', ')}`,
        'remove the record that leads nowhere (often an AAAA record), or browsers wait for it too',
        details,
      ),
    )
  } else tell('connection', pass(seen, details))
  if (tls !== null) tell('certificate', pass(`accepted; handshake ${showTime(tls)}`, { tls }))
}

/** Why a redirect cannot be followed; null where it can. */
function faultOf(way: readonly URL[], location: string, from: URL): Finding | null {
  const shown = way.map(({ href }) => href)
  const remedy = 'give the address where the redirects were to end, and look at the rules that send it on'
  if (!URL.canParse(location, from.href))
    return fail(`a redirect leads to "${location}", which is no address`, remedy)
  const to = new URL(location, from)
  const details = { way: [...shown, to.href] }
  if (to.protocol !== 'http:' && to.protocol !== 'https:') {
    return fail(`a redirect leads to ${to.protocol}, which is no web address`, remedy, details)
  }
  if (to.username || to.password) return fail('a redirect leads to an address with a password', remedy)
  if (shown.includes(to.href))
    return fail(`a redirect loop: ${[...shown, to.href].join(' → ')}`, remedy, details)
  if (way.length <= MOST_REDIRECTS) return null
  return fail(`more than ${MOST_REDIRECTS} redirects, the last to ${to.href}`, remedy, details)
}

function ofWay({ headers, site }: Client, way: readonly URL[], end: URL): Finding {
  const [first] = way as readonly [URL]
  const details = { way: [...way, end].map(({ href }) => href) }
  const foreign = first.origin !== end.origin && first.host !== end.host
  const note = foreign ? ', on another site: a browser needs CORS for it' : ''
  const withheld = Object.keys(headers).length > 0 && !isSameSite(end, site)
  const kept = withheld ? `; the headers given were not sent to ${end.host}` : ''
  return warn(
    `${way.length} before the stream, which is at ${end.href}${note}${kept}`,
    'use that address in new EventSource(): each reconnection takes the whole way again',
    details,
  )
}
