// Makes the pictures of the README: npm run screenshots [-- FOLDER]

import { once } from 'node:events'
import { truncateSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'
import type { Browser, Page, Route } from 'playwright-core'
import { start } from '../support/child.js'
import { freshFolder } from '../support/folder.js'
import { stream } from '../support/sse.js'
import { until } from '../support/wait.js'
import { logLines, startBrowser, startLive } from './live.js'
import { photograph } from './picture.js'
import { findProgram } from './program.js'

const SCHEMES = ['light', 'dark'] as const
/** Long enough for the plot to have something to show, in ms. */
const LOADED = 100_000
/** Long enough for the tail to show what is usual again, in ms. */
const SETTLED = 8000
/** What the clients of the inspector's app listen to. */
const LISTENED = [
  'key=camera',
  ...Array.from({ length: 8 }, (_, i) => `key=user:${40 + i}&key=prices`),
  ...Array.from({ length: 12 }, () => 'key=orders'),
  ...Array.from({ length: 6 }, () => 'key=chat:7'),
  'key=reports&key=orders',
]
const DESKTOP = { width: 1120, height: 900 }

const folder = resolve(process.argv[2] ?? 'docs')
const chromium = findProgram('chromium')
if (chromium === null) {
  console.error('No pictures: Chromium is not installed; run: apt-get install chromium')
  process.exit(1)
}
await mkdir(folder, { recursive: true })
const browser = await startBrowser(chromium)
try {
  await photographLive(browser)
  await photographInspector(browser)
} finally {
  await browser.close()
}

/** The live example, some seconds after its web process was killed in the middle of a job. */
async function photographLive(browser: Browser): Promise<void> {
  const server = await startLive(createPhotos(), freshFolder())
  try {
    const pages = await openTabs(browser, server.address, '[data-state=open]')
    const [page] = pages as [Page]
    await page.click('#start')
    await until(async () => (await logLines(page, 'finding')).length > 8, 'the first findings', 30_000)
    await page.waitForTimeout(5000)
    await page.click('#kill')
    for (const each of pages) await each.waitForSelector('[data-event=outage]', { timeout: 20_000 })
    await page.waitForTimeout(3000)
    await keep(pages, 'live')
  } finally {
    await server.stop()
  }
}

/** The inspector of an app whose streams have a busy publisher, and among whose clients one does not read. */
async function photographInspector(browser: Browser): Promise<void> {
  const root = freshFolder()
  const events = createFileSignal({ root })
  const app = new Koa()
  app.use(events.inspector({ authorize: () => true }).routes())
  app.use(events.routes({ authorize: () => true }).routes())
  const server = createServer(app.callback()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const shop = start('busy-shop', [root])
  const clients = await Promise.all(LISTENED.map((query) => stream(`${address}/stream.sse?${query}`)))
  try {
    const pages = await openTabs(browser, `${address}/inspector`, '#rows tr')
    const [page] = pages as [Page]
    clients[0]?.pause()
    await page.waitForTimeout(LOADED)
    // More than the sockets of the kernel take.
    const frame = { key: 'camera', payload: 'x'.repeat(60_000), event: 'frame' }
    for (let i = 0; i < 30; i += 1) {
      await events.signalMany(Array.from({ length: 10 }, () => frame))
      await page.waitForTimeout(100)
    }
    await page.waitForSelector('#open tbody tr:has-text("behind")')
    await page.waitForTimeout(SETTLED)
    await keep(pages, 'inspector')
  } finally {
    for (const client of clients) client.close()
    await shop.stop()
    await events.close()
    server.closeAllConnections()
    server.close()
  }
}

/** A tab for each color scheme, in one browser. */
async function openTabs(browser: Browser, address: string, isThere: string): Promise<Page[]> {
  const context = await browser.newContext({ viewport: DESKTOP })
  await context.route('**/about.json', hidePlace)
  const pages: Page[] = []
  for (const colorScheme of SCHEMES) {
    const page = await context.newPage()
    await page.emulateMedia({ colorScheme })
    await page.goto(address)
    await page.waitForSelector(isThere)
    pages.push(page)
  }
  return pages
}

/** Where this clone lies is nobody's business. */
async function hidePlace(route: Route): Promise<void> {
  try {
    const about = await (await route.fetch()).json()
    await route.fulfill({
      json: { ...about, command: `npx file-signal signal jobs '{"note":"hello"}' --event note` },
    })
  } catch {
    await route.abort()
  }
}

async function keep(pages: Page[], name: string): Promise<void> {
  for (const [i, page] of pages.entries()) {
    const path = join(folder, `${name}-${SCHEMES[i]}.png`)
    await writeFile(path, await photograph(page))
    console.log(path)
  }
  await pages[0]?.context().close()
}

/** Copies to be found, and sparse files that take long to read and no disk. */
function createPhotos(): string {
  const photos = freshFolder()
  for (let i = 0; i < 100; i += 1) {
    const name = String(i).padStart(3, '0')
    writeFileSync(join(photos, `${name}-sea.jpg`), `${i % 3}`.repeat(40_000 + (i % 3)))
    writeFileSync(join(photos, `${name}-film.mov`), '')
    truncateSync(join(photos, `${name}-film.mov`), 96 * 1024 * 1024 + i)
  }
  return photos
}
