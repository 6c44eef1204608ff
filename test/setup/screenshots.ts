// Makes the pictures of the README: npm run screenshots [-- FOLDER]
import { truncateSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Browser, Page, Route } from 'playwright-core'
import { freshFolder } from '../support/folder.js'
import { until } from '../support/wait.js'
import { logLines, startBrowser, startLive } from './live.js'
import { photograph } from './picture.js'
import { findProgram } from './program.js'

const SCHEMES = ['light', 'dark'] as const
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
