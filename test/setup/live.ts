import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type LaunchOptions, type Page } from 'playwright-core'
import { until } from '../support/wait.js'

const SERVER = fileURLToPath(new URL('../../examples/live/server.js', import.meta.url))

export interface LiveServer {
  readonly port: number
  readonly address: string
  /** Ends it as a deploy does. Resolves with its exit code, null where that took more than 5 s. */
  stop(): Promise<number | null>
}

/** Starts the live example on `folder`, with its store under `root`. Port 0 takes a free one. */
export async function startLive(folder: string, root: string, port = 0): Promise<LiveServer> {
  const child = spawn(process.execPath, [SERVER, folder], {
    env: { ...process.env, PORT: String(port), FILE_SIGNAL_ROOT: root },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  const [, address = '', actual] = await until(
    () => /Open (http:\/\/127\.0\.0\.1:(\d+)) /.exec(printed),
    'the address that the server prints',
  )
  return {
    address,
    port: Number(actual),
    async stop() {
      child.kill('SIGTERM')
      const rescue = setTimeout(() => child.kill('SIGKILL'), 5000)
      const code = await ended
      clearTimeout(rescue)
      return code
    },
  }
}

/** Chromium without a profile of its own, and without calls home. */
export function startBrowser(executablePath: string, more: LaunchOptions = {}): Promise<Browser> {
  return chromium.launch({
    ...more,
    executablePath,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
}

/** A page of a browser that shares nothing with others; `complaints` gathers what its console says. */
export async function openPage(browser: Browser, complaints: string[]): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  return page
}

/** The lines of the log of one kind, oldest first. */
export async function logLines(page: Page, event: string): Promise<string[]> {
  const texts = await page.locator(`#log [data-event="${event}"] span`).allTextContents()
  return texts.reverse()
}
