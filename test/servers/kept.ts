import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { giveToUser, userFolder } from './user.js'

/** What file-signal keeps in a project, by its path in the site: nobody may read it through the web. */
export const KEPT: readonly string[] = [
  '/tmp/sse_signals/events.signal',
  '/tmp/sse_signals/.gitignore',
  '/data/sse_payloads.sqlite',
  '/data/sse_payloads.sqlite-wal',
  '/data/sse_payloads.sqlite.damaged-2026-01-31T10-00-00.000Z-wal',
  '/storage/shop.sqlite',
  '/storage/shop.signal',
  '/.env',
  '/.file-signal.json',
]

/** Its neighbours, which anybody may. */
export const SHARED: readonly string[] = [
  '/page.txt',
  '/data/prices.json',
  '/tmp/notes.txt',
  '/file-signal.json',
]

/** A site whose document root is the project itself, as panels make it; streams are files here. */
export function makeSite(): string {
  const site = userFolder()
  for (const folder of ['tmp', 'tmp/sse_signals', 'data', 'storage', 'sse']) {
    mkdirSync(join(site, folder))
    giveToUser(join(site, folder))
  }
  for (const path of [...KEPT, ...SHARED])
    writeFileSync(join(site, path), 'A line that compresses.\n'.repeat(100))
  for (const path of ['feed.sse', 'sse/feed']) writeFileSync(join(site, path), 'data: 1\n\n'.repeat(100))
  return site
}
