/** What a page wants to hear; all of it is optional. */
export interface Handlers {
  /** An event without a name: its payload, and what the browser knows about it. */
  message?: (payload: unknown, event: MessageEvent<string>) => void
  /** Events with a name: `{ paid: (payload) => … }`. */
  named?: Readonly<Record<string, (payload: unknown, event: MessageEvent<string>) => void>>
  /** Events were missed and cannot be sent again: fetch the state as at the page's load. */
  reset?: () => void
  /** The server has ended what the page listens to. */
  end?: () => void
  /** `open`, `reconnecting` or `closed`, for a lamp on the page. */
  state?: (state: 'open' | 'reconnecting' | 'closed') => void
}

/** Milliseconds before a stream that the browser gave up is opened again: at least, and at random up to twice that. */
const PAUSE = 5000

/**
 * Listens to a stream of file-signal, and returns a function that stops.
 *
 *     <script type="module">
 *       import { listen } from '/js/sse-client.js'
 *       listen('/orders.sse', { message: (order) => show(order), reset: () => location.reload() })
 *     </script>
 *
 * The browser reconnects by itself and says where it was, unless an answer is not a stream: a proxy's 502
 * while the app restarts ends an EventSource for good. Then a new one is opened here, from the same place.
 */
export function listen(url: string, handlers: Handlers): () => void {
  let source: EventSource
  let timer: ReturnType<typeof setTimeout>
  let lastEventId = ''

  function open(): void {
    source = new EventSource(lastEventId === '' ? url : withCursor(url, lastEventId))
    source.onopen = () => handlers.state?.('open')
    source.onerror = () => {
      handlers.state?.('reconnecting')
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, PAUSE * (1 + Math.random()))
    }
    source.onmessage = (event) => {
      lastEventId = event.lastEventId
      if (event.data === '[DONE]') finish(handlers.end)
      else handlers.message?.(JSON.parse(event.data), event)
    }
    on('ready', () => {})
    on('reset', () => handlers.reset?.())
    for (const [name, handle] of Object.entries(handlers.named ?? {})) {
      on(name, (event) => handle(JSON.parse(event.data), event))
    }
  }

  function on(name: string, handle: (event: MessageEvent<string>) => void): void {
    source.addEventListener(name, (event) => {
      lastEventId = event.lastEventId
      handle(event)
    })
  }

  function finish(last?: () => void): void {
    clearTimeout(timer)
    source.close()
    handlers.state?.('closed')
    last?.()
  }

  open()
  return () => finish()
}

function withCursor(url: string, lastEventId: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}lastEventId=${encodeURIComponent(lastEventId)}`
}
