import { once } from 'node:events'
import { get } from 'node:http'
import { connect } from 'node:net'
import { createParser } from 'eventsource-parser'
import { clock, MARK } from './payload.js'

/** One client as an app has it: HTTP, an SSE parser, JSON. Calls back with each payload. */
export async function openClient(port, path, onPayload) {
  const request = get({
    host: '127.0.0.1',
    port,
    path,
    agent: false,
    headers: { Accept: 'text/event-stream' },
  })
  const [response] = await once(request, 'response')
  const ready = createDeferred()
  const parser = createParser({
    onEvent: ({ event, data }) => (event === 'ready' ? ready.resolve() : onPayload(JSON.parse(data))),
  })
  response.setEncoding('utf8').on('data', (chunk) => parser.feed(chunk))
  response.on('error', () => {})
  await ready.promise
  return { close: () => request.destroy() }
}

/**
 * Many clients as cheap as they can be, so that the server is what is measured: raw sockets that
 * count events and look at nothing. `received(n)` resolves with the moment, in microseconds of
 * clock(), at which every client had n events; it rejects when a client got more, or lost its connection.
 */
export async function openCrowd(port, path, size) {
  const clients = []
  let wanted = Number.POSITIVE_INFINITY
  let missing = 0
  let finish = null

  function onEvents(client, count) {
    const before = client.count
    client.count += count
    if (client.count > wanted) finish?.reject(new Error(`a client got ${client.count} events of ${wanted}`))
    if (before < wanted && client.count >= wanted) {
      missing -= 1
      if (missing === 0) finish?.resolve(clock())
    }
  }

  for (let i = 0; i < size; i += 100) {
    const batch = Array.from({ length: Math.min(100, size - i) }, () => openSocket(port, path, onEvents))
    clients.push(...(await Promise.all(batch)))
  }
  for (const client of clients) {
    client.socket.on('close', () => finish?.reject(new Error('a client lost its connection')))
  }
  return {
    reset() {
      for (const client of clients) client.count = 0
    },
    received(count) {
      wanted = count
      finish = createDeferred()
      missing = clients.filter((client) => client.count < count).length
      if (missing === 0) finish.resolve(clock())
      return finish.promise
    },
    close() {
      finish = null
      for (const { socket } of clients) socket.destroy()
    },
  }
}

async function openSocket(port, path, onEvents) {
  const socket = connect(port, '127.0.0.1')
  const client = { socket, count: 0 }
  await once(socket, 'connect')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/event-stream\r\n\r\n`)
  const ready = createDeferred()
  let head = ''
  socket.on('error', ready.reject)
  socket.on('data', (chunk) => {
    if (head !== null) {
      head += chunk.toString('latin1')
      if (head.includes('event: ready')) {
        head = null
        ready.resolve(client)
      }
    }
    const count = countMarks(chunk)
    if (count > 0) onEvents(client, count)
  })
  return ready.promise
}

function countMarks(chunk) {
  let count = 0
  for (let at = chunk.indexOf(MARK); at !== -1; at = chunk.indexOf(MARK, at + 1)) count += 1
  return count
}

/** Promise.withResolvers(), which Node 20 has not. */
function createDeferred() {
  const deferred = {}
  deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }))
  return deferred
}
