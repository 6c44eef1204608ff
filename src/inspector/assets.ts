/** A file of the page as it is sent. */
export interface Asset {
  readonly type: string
  readonly body: string
}

/** The page's files, by the name that its router knows them by; '' is the page itself. They are built into the package. */
export const ASSETS = Object.freeze({
  '': { file: 'page.html', type: 'text/html; charset=utf-8' },
  'page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  'page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
} as const)

export type AssetName = keyof typeof ASSETS

/** A file of the page; the first that is asked for loads them all. */
export async function loadAsset(name: AssetName): Promise<Asset> {
  const { PAGE } = await import('../embedded/page.js')
  const { file, type } = ASSETS[name]
  return { type, body: PAGE[file] }
}
