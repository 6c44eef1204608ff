import type { Browser, CDPSession } from 'playwright-core'
import { until } from '../support/wait.js'

/**
 * A tab that Playwright leaves alone. Its own pages always believe that they are looked at, so they are never hidden,
 * and what is not hidden cannot be frozen. The newest of these tabs is in front, and the others are hidden.
 */
export interface RawTab {
  /** The value of an expression, which must be JSON; null where the page cannot answer within a second. */
  evaluate<T>(expression: string): Promise<T | null>
  /** A command of the Chrome DevTools Protocol, for this tab. */
  send(method: string, params?: object): Promise<unknown>
  /** Freezes the tab, which must be hidden, and resolves once it is; or wakes it. */
  setFrozen(frozen: boolean): Promise<void>
  close(): Promise<void>
}

interface Reply {
  readonly id?: number
  readonly error?: { readonly message: string }
  readonly result?: { readonly result?: { readonly value?: string } }
}

export async function openRawTab(browser: Browser, url: string): Promise<RawTab> {
  const cdp: CDPSession = await browser.newBrowserCDPSession()
  const { targetId } = await cdp.send('Target.createTarget', { url })
  const { sessionId } = await cdp.send('Target.attachToTarget', { targetId })
  const waiting = new Map<number, (reply: Reply) => void>()
  let asked = 0
  cdp.on('Target.receivedMessageFromTarget', (event) => {
    const reply = JSON.parse(event.message) as Reply
    if (event.sessionId === sessionId && reply.id !== undefined) waiting.get(reply.id)?.(reply)
  })

  async function send(method: string, params: object = {}): Promise<Reply['result']> {
    asked += 1
    const id = asked
    const replied = new Promise<Reply>((resolve) => waiting.set(id, resolve))
    await cdp.send('Target.sendMessageToTarget', {
      sessionId,
      message: JSON.stringify({ id, method, params }),
    })
    const reply = await replied
    waiting.delete(id)
    if (reply.error) throw new Error(`${method}: ${reply.error.message}`)
    return reply.result
  }

  async function evaluate<T>(expression: string): Promise<T | null> {
    const asking = send('Runtime.evaluate', { expression: `JSON.stringify(${expression})` })
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), 1000)
    })
    const answer = await Promise.race([asking, silence])
    clearTimeout(timer)
    const value = answer?.result?.value
    return value === undefined ? null : (JSON.parse(value) as T)
  }

  await until(() => evaluate<boolean>('document.readyState === "complete"'), `the tab of ${url}`)
  return {
    evaluate,
    send,
    setFrozen: async (frozen) => {
      if (frozen) await until(() => evaluate<boolean>('document.hidden'), 'the tab to be hidden')
      await send('Page.setWebLifecycleState', { state: frozen ? 'frozen' : 'active' })
    },
    close: async () => {
      await cdp.send('Target.closeTarget', { targetId })
      await cdp.detach()
    },
  }
}
