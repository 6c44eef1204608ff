/** What a page wants to hear; all of it is optional. */
export interface Handlers {
  /** An event without a name: its payload, and what the browser knows about it. */
  message?: (payload: unknown, event: MessageEvent<string>) => void
  /** Events with a name: `{ paid: (payload) => … }`; `end` among them says why a key ended otherwise than well. */
  named?: Readonly<Record<string, (payload: unknown, event: MessageEvent<string>) => void>>
  /** Events were missed and cannot be sent again: fetch the state as at the page's load. */
  reset?: () => void
  /** The server has ended what the page listens to. */
  end?: () => void
  /**
   * `open`, `reconnecting` or `closed`, for a lamp on the page. `closed` that the page has not asked for, and
   * without `end`: the server answers, and gives no stream, as after a logout.
   */
  state?: (state: 'open' | 'reconnecting' | 'closed') => void
}

/** Milliseconds before a stream that the browser gave up is opened again: at least, and at random up to twice that. */
const PAUSE = 5000
/** So often in a row a server that is there may refuse a stream. */
const PATIENCE = 5
/** Milliseconds that a look at the server may take. */
const LOOK = 60_000

/**
 * Listens to a stream of file-signal, and returns a function that stops.
 *
 *     <script type="module">
 *       import { listen } from '/js/sse-client.js'
 *       listen('/orders.sse', { message: (order) => show(order), reset: () => location.reload() })
 *     </script>
 *
 * The browser reconnects by itself and says where it was, unless an answer is not a stream: a proxy's 502
 * while the app restarts ends an EventSource for good. Then a new one is opened here, from the same place, as
 * soon as the server is back, however long that takes. A server that is back and refuses five times in a row,
 * within 25 to 50 s, is asked no more: the state is `closed`.
 */
export function listen(url: string, handlers: Handlers): () => void {
  let source: EventSource
  let timer: ReturnType<typeof setTimeout>
  let lastEventId = ''
  let refusals = 0
  let isOver = false

  function open(): void {
    source = new EventSource(address())
    source.onopen = () => {
      refusals = 0
      handlers.state?.('open')
    }
    source.onerror = () => {
      handlers.state?.('reconnecting')
      if (source.readyState !== EventSource.CLOSED) return
      refusals += 1
      wait()
    }
    source.onmessage = (event) => {
      lastEventId = event.lastEventId
      if (event.data === '[DONE]') finish(handlers.end)
      else handlers.message?.(JSON.parse(event.data), event)
    }
    on('ready', () => {})
    on('end', () => {})
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

  function wait(): void {
    timer = setTimeout(goOn, PAUSE * (1 + Math.random()))
  }

  /** An EventSource tells nobody why it failed: without this a page would give up during a long restart. */
  async function goOn(): Promise<void> {
    const isDown = await isAway(address())
    if (isOver) return
    if (isDown) {
      refusals = 0
      wait()
    } else if (refusals < PATIENCE) open()
    else finish()
  }

  function finish(last?: () => void): void {
    isOver = true
    clearTimeout(timer)
    source.close()
    handlers.state?.('closed')
    last?.()
  }

  function address(): string {
    return lastEventId === '' ? url : withCursor(url, lastEventId)
  }

  open()
  return () => finish()
}

function withCursor(url: string, lastEventId: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}lastEventId=${encodeURIComponent(lastEventId)}`
}

/**
 * True where nobody answers, or only to say: not now. HEAD opens no stream, and takes no event from anybody. A
 * proxy that holds it back says nothing of the server, so false then.
 */
async function isAway(url: string): Promise<boolean> {
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(), LOOK)
  try {
    const { status } = await fetch(url, { method: 'HEAD', cache: 'no-store', signal: patience.signal })
    return status >= 500 || status === 429 || status === 408
  } catch {
    return !patience.signal.aborted
  } finally {
    clearTimeout(timer)
  }
}
