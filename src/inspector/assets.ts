import { readFile } from 'node:fs/promises'

/** A file of the page as it is sent. */
export interface Asset {
  readonly type: string
  readonly body: Buffer
}

/** The page's files, by the name that its router knows them by; '' is the page itself. They are built into the package. */
export const ASSETS = Object.freeze({
  '': { file: 'page.html', type: 'text/html; charset=utf-8' },
  'page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  'page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
})

export type AssetName = keyof typeof ASSETS

const read = new Map<AssetName, Promise<Asset>>()

/** Reads a file of the page, once in the life of the process. */
export function loadAsset(name: AssetName): Promise<Asset> {
  const known = read.get(name)
  if (known) return known
  const { file, type } = ASSETS[name]
  const asset = readFile(new URL(`page/${file}`, import.meta.url)).then((body) => ({ type, body }))
  read.set(name, asset)
  // A process that is out of file handles now may have some later.
  asset.catch(() => read.delete(name))
  return asset
}
