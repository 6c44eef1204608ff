import http from 'node:http'
import { createParser } from 'eventsource-parser'
import { until } from './wait.js'

/** One message as it came over the wire; `key` and `at` are the fields that EventSource ignores. */
export interface Message {
  id: string | undefined
  event: string | undefined
  data: string
  key: string | undefined
  at: number | undefined
}

/** A parser that remembers what it has seen. */
export interface Reader {
  messages: Message[]
  comments: string[]
  retries: number[]
  feed(text: string): void
}

export interface Client extends Reader {
  status: number
  headers: http.IncomingHttpHeaders
  /** Bytes received, and milliseconds from the request to the first of the body. */
  bytes: number
  firstByte: number
  /** True once the server has ended the response, or the socket is gone. */
  ended: boolean
  /** The payloads of the events, parsed: without ready, reset and [DONE]. */
  payloads(): unknown[]
  ofType(event: string): Message[]
  lastId(): string | undefined
  isDone(): boolean
  /** Stops and resumes reading from the socket. */
  pause(): void
  resume(): void
  close(): void
}

export interface ConnectOptions {
  headers?: Record<string, string>
  method?: string
  /** What to do with each message as it comes. */
  onMessage?: (message: Message) => void
}

const CONTROL = ['ready', 'reset']

export function createReader(onMessage: (message: Message) => void = () => {}): Reader {
  let fields: Record<string, string> = {}
  const reader: Reader = { messages: [], comments: [], retries: [], feed: (text) => parser.feed(text) }
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      const { key, at } = fields
      const message = { id, event, data, key, at: at === undefined ? undefined : Number(at) }
      fields = {}
      reader.messages.push(message)
      onMessage(message)
    },
    onRetry: (retry) => reader.retries.push(retry),
    onComment: (comment) => reader.comments.push(comment),
    onError: (error) => {
      if (error.type !== 'unknown-field' || error.field === undefined) throw error
      fields[error.field] = error.value ?? ''
    },
  })
  return reader
}

/** Connects on a socket of its own, and resolves with the response's head. */
export function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  const began = performance.now()
  const { headers = {}, method = 'GET' } = options
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, headers, method }, (response) => {
      const reader = createReader(options.onMessage)
      const client: Client = Object.assign(reader, {
        status: response.statusCode ?? 0,
        headers: response.headers,
        bytes: 0,
        firstByte: Number.POSITIVE_INFINITY,
        ended: false,
        payloads: () =>
          reader.messages
            .filter(({ event, data }) => !CONTROL.includes(event ?? '') && data !== '[DONE]')
            .map(({ data }) => JSON.parse(data)),
        ofType: (event: string) => reader.messages.filter((message) => message.event === event),
        lastId: () => reader.messages.findLast(({ id }) => id !== undefined)?.id,
        isDone: () => reader.messages.some(({ data, event }) => data === '[DONE]' && event === undefined),
        pause: () => void response.pause(),
        resume: () => void response.resume(),
        close: () => void request.destroy(),
      })
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        if (client.bytes === 0) client.firstByte = performance.now() - began
        client.bytes += Buffer.byteLength(text)
        reader.feed(text)
      })
      response.on('close', () => {
        client.ended = true
      })
      response.on('error', () => {})
      resolve(client)
    })
    request.on('error', reject)
    request.end()
  })
}

/** Connects, and resolves once `ready` has come. */
export async function stream(url: string, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect(url, options)
  await until(() => client.ofType('ready').length > 0 || client.ended, 'ready')
  return client
}
