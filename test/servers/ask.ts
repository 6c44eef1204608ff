import { exchange, type Headers } from './exchange.js'

export interface Asked {
  readonly status: number
  readonly headers: Headers
  readonly body: string
  /** Milliseconds to the first byte of the body. */
  readonly firstByte: number
}

/** Asks as a browser's page would, compression welcome; resolves with the whole answer. */
export function ask(url: string, more: Headers = {}, ca?: string): Promise<Asked> {
  const begun = performance.now()
  return new Promise((resolve, reject) => {
    let status = 0
    let headers: Headers = {}
    let body = ''
    let firstByte = Number.POSITIVE_INFINITY
    exchange(
      url,
      {
        onHead(code, fields) {
          status = code
          headers = fields
        },
        onText(text) {
          firstByte = Math.min(firstByte, performance.now() - begun)
          body += text
        },
        onEnd() {
          if (status === 0) reject(new Error(`${url} gave no answer`))
          else resolve({ status, headers, body, firstByte })
        },
      },
      { accept: '*/*', ...(url.startsWith('https:') ? {} : { connection: 'close' }), ...more },
      ca,
    )
  })
}
