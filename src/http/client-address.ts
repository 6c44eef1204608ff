import { isIP } from 'node:net'
import proxyAddr from 'proxy-addr'
import { FileSignalError, quote } from '../errors.js'
import type { Outgoing } from '../stream/outgoing.js'
import type { NodeRequest } from './node.js'

export interface ClientAddressOptions {
  /**
   * Proxies whose `X-Forwarded-For` is believed: addresses, ranges such as `'10.0.0.0/8'`, and the names
   * `loopback`, `linklocal` and `uniquelocal`. Default `['loopback']`: the web server of this machine.
   */
  trusted?: string | readonly string[]
}

/**
 * Makes a function that tells the address a request came from.
 *
 * Behind a web server the socket's address is that server's own, and anybody can send `X-Forwarded-For`. So the
 * header is read from its end, as long as each address that vouches for the next one is trusted. The proxies must
 * append to the header, as the files of nginx/ and apache/ do. A Unix socket, as under Passenger and LiteSpeed, counts
 * as loopback. Null where nothing is known, as after the end of the connection: ask when the request comes.
 *
 * Throws OPTION_INVALID for what is no address.
 */
export function clientAddress(options: ClientAddressOptions = {}): (request: NodeRequest) => string | null {
  const isTrusted = compile(options.trusted ?? 'loopback')
  const trust = (address: string | undefined, at: number) =>
    (at === 0 && !address) || isTrusted(address ?? '', at)

  return (request) => {
    // A socket that has ended tells no address, like a Unix socket, and must not be taken for one.
    if (!request.socket || (request.socket.destroyed && !request.socket.remoteAddress)) return null
    // The last one is the first that nobody trusted speaks for. What is no address vouches for nothing.
    const path = proxyAddr.all(request as Parameters<typeof proxyAddr.all>[0], trust)
    return path.findLast((address) => isIP(address ?? '') !== 0) ?? null
  }
}

let addressOf: ReturnType<typeof clientAddress> | null = null

/** The address of the client that gets `response`, by the default rule of `clientAddress()`; null where it is unknown. */
export function clientOf(response: Outgoing): string | null {
  if (!('req' in response)) return null
  addressOf ??= clientAddress()
  return addressOf(response.req as NodeRequest)
}

function compile(trusted: string | readonly string[]): (address: string, at: number) => boolean {
  try {
    return proxyAddr.compile(typeof trusted === 'string' ? trusted : [...trusted])
  } catch (cause) {
    throw new FileSignalError('OPTION_INVALID', `trusted is ${quote(trusted)}`, {
      cause,
      remedy: 'use addresses, ranges such as "10.0.0.0/8", or loopback, linklocal, uniquelocal',
    })
  }
}
