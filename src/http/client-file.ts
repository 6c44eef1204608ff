import { createHash } from 'node:crypto'
import { FileSignalError } from '../errors.js'
import type { KoaBase, KoaMiddleware } from './koa.js'

/** The browser client as it is served. */
interface ClientFile {
  readonly text: string
  /** Its digest, in quotes. */
  readonly etag: string
}

/**
 * Koa middleware that serves the browser client as an ES module. Everybody may have it: it is public code. Browsers ask
 * each time whether theirs is still the newest, for after an update old tabs and new ones share a connection.
 *
 * Its text is loaded at the first request; LIBRARY_MISSING where it was not built in.
 */
export function createClientFile<Context extends KoaBase = KoaBase>(): KoaMiddleware<Context> {
  let file: Promise<ClientFile> | null = null

  return async (ctx) => {
    file ??= readClientFile()
    const { text, etag } = await file.catch((error) => {
      file = null
      throw error
    })
    ctx.res.setHeader('Cache-Control', 'no-cache')
    ctx.res.setHeader('ETag', etag)
    ctx.res.setHeader('X-Content-Type-Options', 'nosniff')
    if (isKnown(ctx.get('If-None-Match'), etag)) {
      ctx.status = 304
      return
    }
    ctx.res.setHeader('Content-Type', 'text/javascript; charset=utf-8')
    ctx.status = 200
    ctx.body = text
  }
}

/** Servers that compress make the tag weak, or add to it: `W/"x"`, `"x-gzip"`. It holds a digest, so its text is enough. */
function isKnown(header: string, etag: string): boolean {
  return header === '*' || header.includes(etag.slice(1, -1))
}

async function readClientFile(): Promise<ClientFile> {
  const { CLIENT: text } = await import('../embedded/client.js')
  if (text === '') {
    throw new FileSignalError('LIBRARY_MISSING', 'the browser client is not in this build of the package', {
      remedy: 'install file-signal again; in a clone run: npm run build',
    })
  }
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` }
}
