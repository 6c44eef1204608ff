import { openClient } from './clients.js'
import { clock } from './payload.js'
import { line } from './table.js'
import { startPair } from './workers.js'

/** How fast a mailbox empties: each event claimed, written, deleted, and dealt to one stream. */
export async function measureMailbox({ quick, rounds }) {
  const count = quick ? 1000 : 5000
  const rates = { 1: [], 10: [] }
  const pair = await startPair('ours')
  for (const streams of [1, 10]) {
    for (let round = 0; round < rounds; round += 1) {
      const key = `jobs-${streams}-${round}`
      await pair.publisher.ask('fill', { key, count })
      const micros = await empty(pair.port, `/?key=${key}&once`, streams, count)
      rates[streams].push((count * 1e6) / micros)
    }
  }
  await pair.end()
  return {
    title: `Mailbox: ${count} events that wait, each to one stream`,
    other: '',
    lines: [
      line('through 1 stream, events per second', { ours: rates[1] }),
      line('through 10 streams, events per second', { ours: rates[10] }),
    ],
  }
}

async function empty(port, path, streams, count) {
  const start = clock()
  let received = 0
  let finish
  const all = new Promise((resolve) => {
    finish = resolve
  })
  const onPayload = () => {
    received += 1
    if (received === count) finish(clock())
  }
  const clients = await Promise.all(Array.from({ length: streams }, () => openClient(port, path, onPayload)))
  const end = await all
  for (const client of clients) client.close()
  return end - start
}
