import { lookup } from 'node:dns/promises'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { codeOf } from '../../errors.js'
import { reasonOf } from '../result.js'
import { ConnectFault, tlsFault } from './connect-fault.js'
import type { Target } from './target.js'

/** A connection with what it cost, in milliseconds. */
export interface Connected {
  readonly socket: Socket | TLSSocket
  readonly address: string
  /** 0 for an address that needs no name server. */
  readonly dns: number
  readonly tcp: number
  /** Null without TLS. */
  readonly tls: number | null
  /** What was agreed on: `h2`, `http/1.1`, or null. */
  readonly alpn: string | null
  /** Addresses of the name that were tried before and did not answer. */
  readonly silent: readonly string[]
}

export interface ConnectOptions {
  readonly alpn: readonly string[]
  /** True to go on with a certificate that browsers refuse. */
  readonly insecure: boolean
  /** When to give up, by the monotonic clock. */
  readonly until: number
}

const DNS_TIME = 5000
const TCP_TIME = 3000
const TLS_TIME = 5000
/** A name may have many addresses; a browser does not try them all either. */
const MOST_ADDRESSES = 3

/** Connects to a target, step by step. Throws ConnectFault, and nothing else. */
export async function connect(target: Target, options: ConnectOptions): Promise<Connected> {
  const began = performance.now()
  const left = (most: number): number => Math.min(most, options.until - began)
  if (left(1) <= 0) throw outOfTime()
  const addresses = await resolveName(target, left(DNS_TIME))
  const dns = performance.now() - began
  const silent: string[] = []
  let fault: unknown = null
  for (const address of addresses.slice(0, MOST_ADDRESSES)) {
    const start = performance.now()
    try {
      const socket = await openTcp(address, target.port, left(TCP_TIME))
      const tcp = performance.now() - start
      if (!target.secure) return { socket, address, dns, tcp, tls: null, alpn: null, silent }
      const encrypted = await encrypt(socket, target, options, left(TLS_TIME))
      const tls = performance.now() - start - tcp
      return { socket: encrypted, address, dns, tcp, tls, alpn: encrypted.alpnProtocol || null, silent }
    } catch (error) {
      if (error instanceof ConnectFault) throw error
      fault = error
      silent.push(`${address} (${codeOf(error) || reasonOf(error)})`)
    }
  }
  const refused = codeOf(fault) === 'ECONNREFUSED'
  throw new ConnectFault(
    'connection',
    codeOf(fault) || 'ETIMEDOUT',
    `port ${target.port} does not answer: ${silent.join(', ')}`,
    refused
      ? 'nothing listens there: start the app or its web server, and look at the port'
      : 'a firewall is in between, or the machine is down; look at the address and the port',
  )
}

function outOfTime(): ConnectFault {
  return new ConnectFault(
    'connection',
    'ETIMEDOUT',
    'the time for all checks is over, as connections took so long',
    'look at the network in between, and run it again',
  )
}

async function resolveName({ host }: Target, ms: number): Promise<string[]> {
  if (isIP(host)) return [host]
  const late = timeout(ms)
  try {
    const found = await Promise.race([lookup(host, { all: true }), late.over])
    if (found === null)
      throw Object.assign(new Error(`no answer within ${Math.round(ms)} ms`), { code: 'ETIMEOUT' })
    return found.map(({ address }) => address)
  } catch (error) {
    throw new ConnectFault(
      'name',
      codeOf(error),
      `the name "${host}" does not resolve (${codeOf(error) || reasonOf(error)})`,
      'look at its spelling and at its A and AAAA records',
    )
  } finally {
    late.clear()
  }
}

function openTcp(address: string, port: number, ms: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: address, port })
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error(`no answer within ${Math.round(ms)} ms`), { code: 'ETIMEDOUT' }))
    }, ms)
    socket.once('close', () => clearTimeout(timer))
    socket.once('error', reject)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', reject)
      // Whoever uses it listens for errors; between two listeners there must be one.
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

function encrypt(
  socket: Socket,
  { host, port }: Target,
  options: ConnectOptions,
  ms: number,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const encrypted = connectTls({
      socket,
      host,
      ...(isIP(host) ? {} : { servername: host }),
      ALPNProtocols: [...options.alpn],
      rejectUnauthorized: !options.insecure,
    })
    const timer = setTimeout(() => {
      encrypted.destroy()
      reject(
        new ConnectFault(
          'certificate',
          'ETIMEDOUT',
          `the TLS handshake did not end within ${Math.round(ms)} ms`,
          'look at what listens there: it may not speak TLS',
        ),
      )
    }, ms)
    encrypted.on('error', (error) => {
      clearTimeout(timer)
      encrypted.destroy()
      reject(tlsFault(error, host, port))
    })
    encrypted.once('secureConnect', () => {
      clearTimeout(timer)
      resolve(encrypted)
    })
  })
}

function timeout(ms: number): { over: Promise<null>; clear(): void } {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null)
  })
  return { over, clear: () => clearTimeout(timer) }
}
