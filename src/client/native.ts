import { type Ask, addressOf, isEnd, type Verdict } from './way.js'

/**
 * As ask(), by the browser's EventSource. It tells neither headers nor statuses, so a refusal looks like a server that is
 * away. It knows only the names that handlers were there for at the connect, and hears no heartbeats.
 */
export const askNative: Ask = async (way, mode, cursor, signal, hearing) => {
  await null
  const { names, headers, token, credentials } = way.settings
  let verdict: Verdict = { state: 'waiting', reason: 'network' }
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(verdict)
    if (headers || token)
      return resolve({ state: 'closed', reason: 'refused', message: 'no headers in this browser' })
    const source = new EventSource(addressOf(way, mode, cursor), {
      withCredentials: credentials === 'include',
    })
    const pulse = setInterval(() => hearing.onBytes?.(), 1000)
    const end = () => {
      clearInterval(pulse)
      source.close()
      resolve(verdict)
    }
    source.onerror = end
    signal.addEventListener('abort', end)
    for (const name of names) {
      source.addEventListener(name, ({ data, lastEventId }) => {
        const block = { id: lastEventId || undefined, event: name === 'message' ? '' : name, data }
        verdict = { state: 'waiting', reason: 'cut', whole: true }
        hearing.onBlock(block)
        if (!isEnd(block)) return
        verdict = { state: 'closed', reason: 'ended' }
        end()
      })
    }
  })
}
