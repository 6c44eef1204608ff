// Before all that reads the clock.
import './clock.js'

import { copyFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createFileSignal, type FileSignal } from 'file-signal'
import { now } from '../record.js'
import { setClock } from './clock.js'
import type { Order, Setup, Word } from './orders.js'
import { createPublishing } from './publishing.js'

/**
 * One process of the run: node member.js SETUP. It publishes, and with a port it serves streams, a mailbox and its
 * stats, as a web process does. It takes orders and tells what happens over the channel of fork().
 */
const setup = JSON.parse(process.argv[2] as string) as Setup
const say = (word: Word) => void process.send?.(word)
const events = createFileSignal({
  root: setup.root,
  poll: 250,
  heartbeat: 1000,
  duration: '20s',
  retry: 100,
  retention: { maxAge: '24h', maxPerKey: 10_000_000, maxBytes: '1gb' },
  onError: ({ code, message }) => say({ type: 'report', t: now(), code, message }),
})
const server = setup.port === null ? null : await serve(events, setup.port)
const publishing = createPublishing(events, setup, say)

process.on('message', (order: Order) => void obey(order).catch(() => {}))
process.on('disconnect', () => process.exit())
process.once('SIGTERM', () => void stop())
say({ type: 'ready' })

async function obey(order: Order): Promise<void> {
  if (order.type === 'idle') publishing.idle(order.ms, order.then)
  if (order.type === 'clock') setClock(order.ms)
  if (order.type === 'copy') {
    await copyFile(order.from, order.to).catch(() => {})
    say({ type: 'copied' })
  }
  if (order.type === 'prune') await events.prune()
  if (order.type === 'quiet') {
    await publishing.quiet()
    say({ type: 'quiet' })
  }
  if (order.type === 'final') say({ type: 'final', failed: await publishing.final() })
  if (order.type === 'stop') await stop()
}

async function stop(): Promise<void> {
  await publishing.quiet()
  server?.close()
  await events.close()
  process.exit()
}

async function serve(of: FileSignal, port: number): Promise<Server> {
  const keysOf = ({ url = '' }: { url?: string }) => url.split('?')[1]?.split(',') ?? null
  const stream = of.handler(keysOf, { replay: 'none' })
  const jobs = of.handler('jobs', { deliver: 'once' })
  const listening = createServer((request, response) => {
    if (request.url === '/jobs') jobs(request, response)
    else if (request.url === '/stats') {
      of.stats().then(
        (stats) => response.end(JSON.stringify(stats)),
        (error: Error) => response.writeHead(500).end(error.message),
      )
    } else stream(request, response)
  })
  // Spent descriptors are told to the server, not to a request.
  listening.on('error', () => {})
  await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve))
  return listening
}
