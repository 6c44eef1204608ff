import { connect, type Socket } from 'node:net'
import { type Hostile, serveRaw } from './hostile.js'

/** A way through the net to a port of the loopback: it knows bytes and connections, and may treat both badly. */
export interface Tunnel extends Hostile {
  /** What is connected now stays so, and no byte passes through it any more. New connections work. */
  forget(): void
  /** From now on no byte passes, whatever the connection, until release(). */
  hold(): void
  release(): void
}

export interface TunnelTraits {
  /** Milliseconds after which each connection is cut. */
  readonly life?: number
  /** Asked as each request for a stream passes: milliseconds after which it is broken off, null for never. */
  readonly breakOff?: () => number | null
}

interface Pair {
  readonly near: Socket
  readonly far: Socket
  isForgotten: boolean
}

/** Opens a tunnel to `port`. Requests for a stream are those whose address has `.sse` in it. */
export async function serveTunnel(port: number, traits: TunnelTraits = {}): Promise<Tunnel> {
  const pairs = new Set<Pair>()
  let isHeld = false

  const server = await serveRaw((near) => {
    const far = connect(port, '127.0.0.1')
    const pair: Pair = { near, far, isForgotten: false }
    const timers: NodeJS.Timeout[] = []
    pairs.add(pair)
    if (isHeld) setHeld(pair, true)
    const cutAfter = (ms: number): void => void timers.push(setTimeout(() => near.destroy(), ms))
    if (traits.life !== undefined) cutAfter(traits.life)

    near.on('data', (bytes: Buffer) => {
      if (pair.isForgotten) return
      const patience = isForStream(bytes) ? traits.breakOff?.() : null
      if (typeof patience === 'number') cutAfter(patience)
      far.write(bytes)
    })
    far.on('data', (bytes: Buffer) => {
      if (!pair.isForgotten) near.write(bytes)
    })
    far.on('error', () => {})
    far.on('close', () => {
      if (!pair.isForgotten) near.end()
    })
    near.on('close', () => {
      for (const timer of timers) clearTimeout(timer)
      pairs.delete(pair)
      far.destroy()
    })
  })

  function setAllHeld(held: boolean): void {
    isHeld = held
    for (const pair of pairs) setHeld(pair, held)
  }

  return {
    ...server,
    forget: () => {
      for (const pair of pairs) pair.isForgotten = true
    },
    hold: () => setAllHeld(true),
    release: () => setAllHeld(false),
  }
}

function setHeld({ near, far }: Pair, held: boolean): void {
  for (const socket of [near, far]) held ? socket.pause() : socket.resume()
}

/** A browser's request fits one piece, and so does its first line. */
function isForStream(bytes: Buffer): boolean {
  return /^GET \S*\.sse/.test(bytes.subarray(0, 512).toString('latin1'))
}
