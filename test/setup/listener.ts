import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import type { Page } from 'playwright-core'

/** Where pages get the client from. */
export const CLIENT = readFileSync(new URL('../../dist/client/sse-client.js', import.meta.url))

/**
 * A page that listens where it is told to, as often as it is told to, and writes down all it hears. `late` is from
 * just before signal() to the handler, in milliseconds: the clock is that of the same machine.
 */
export const PAGE = `<!doctype html><title>A page that listens</title><link rel="icon" href="data:,"><script type="module">
import { listen } from '/sse-client.js'
window.stories = {}
window.lives = {}
window.begin = (name, url, options) => {
  const story = { heard: [], late: [], states: [], resets: [], thrown: null }
  window.stories[name] = story
  try {
    const live = listen(url, options)
    window.lives[name] = live
    live.on('state', ({ ...state }) => story.states.push(state))
    live.on('reset', (data) => story.resets.push(data))
    live.on('message', (data) => {
      story.heard.push(data?.i ?? data)
      story.late.push(Date.now() - data?.at)
    })
  } catch (error) {
    story.thrown = String(error)
  }
}
window.isLoaded = true
</script>`

/** What a page has heard of one stream. */
export interface Story {
  /** The numbers of the events, or their data where they have none. */
  readonly heard: unknown[]
  readonly late: number[]
  readonly states: StoryState[]
  readonly resets: unknown[]
  /** What listen() threw, as text. */
  readonly thrown: string | null
}

/** A state of the client as it was told. */
export interface StoryState {
  readonly state: string
  readonly reason: string
  readonly message: string
  readonly status?: number
  readonly retryIn?: number
  readonly role: string
}

/** Answers for the page and the client at `/` and `/sse-client.js`, and hands everything else to `next`. */
export function withPage(next: RequestListener): RequestListener {
  return (request, response) => {
    if (request.url === '/') response.setHeader('Content-Type', 'text/html').end(PAGE)
    else if (request.url === '/sse-client.js')
      response.setHeader('Content-Type', 'text/javascript').end(CLIENT)
    else next(request, response)
  }
}

/** Loads the page of `origin`. */
export async function loadPage(page: Page, origin: string): Promise<void> {
  await page.goto(`${origin}/`)
  await page.waitForFunction('window.isLoaded')
}

/** Begins to listen; `options` must be JSON. */
export function begin(page: Page, name: string, url: string, options: object = {}): Promise<void> {
  return page.evaluate(
    `window.begin(${JSON.stringify(name)}, ${JSON.stringify(url)}, ${JSON.stringify(options)})`,
  )
}

export function storyOf(page: Page, name: string): Promise<Story> {
  return page.evaluate(`window.stories[${JSON.stringify(name)}]`)
}

/** The states in words, as `waiting: cut`. */
export function stateNames(story: Story): string[] {
  return story.states.map(({ state, reason }) => `${state}: ${reason}`)
}

/** The value that half of `values` stay under, and the highest, rounded to milliseconds. */
export function spread(values: readonly number[]): { p50: number; worst: number } {
  const sorted = [...values].sort((a, b) => a - b)
  return {
    p50: Math.round(sorted[sorted.length >> 1] ?? Number.NaN),
    worst: Math.round(sorted.at(-1) ?? Number.NaN),
  }
}

/** Null where the numbers are 0 to `count`, each once and in order; else the first that is not. */
export function firstFault({ heard }: Story, count: number): string | null {
  const at = heard.findIndex((i, index) => i !== index)
  if (at >= 0) return `after ${heard[at - 1]} came ${heard[at]}`
  return heard.length === count ? null : `after ${heard.at(-1)} nothing came, and ${count - 1} was the last`
}
