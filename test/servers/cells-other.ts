import { startCaddy } from './caddy.js'
import type { Cell } from './cell.js'
import { proxied } from './chain.js'
import { startHaproxy } from './haproxy.js'
import { startLighttpd } from './lighttpd.js'
import { pageBlock } from './page-blocks.js'
import { startVarnish } from './varnish.js'

const haproxy = { layers: ['HAProxy'], http: 1 } as const
const varnish = { layers: ['Varnish'], http: 1 } as const
const caddy = { layers: ['Caddy'], http: 1 } as const
const lighttpd = { layers: ['lighttpd'], http: 1 } as const

const COMPRESS_ALL = '  compression algo gzip\n  compression type text/event-stream text/plain'
const DO_GZIP = 'set beresp.do_gzip = true;'
const ENCODE_ALL = '  encode {\n    gzip\n    minimum_length 1\n  }'
const NO_STREAM = 'set beresp.do_stream = false;'
const DEFLATE = 'deflate.mimetypes = ("text/")\ndeflate.allowed-encodings = ("gzip", "deflate")'

function onResponse(statement: string): string {
  return `sub vcl_backend_response { ${statement} }`
}

function caddySite(port: number, more = ''): string {
  return `${more}\n  reverse_proxy 127.0.0.1:${port}`
}

export const OTHER_CELLS: readonly Cell[] = [
  proxied(
    {
      ...haproxy,
      name: 'HAProxy: default',
      form: 'default',
      expects: 'delays',
      why: 'it tells the kernel that more is to come, which then waits 200 ms for it',
    },
    (port) => startHaproxy(port, ''),
  ),
  proxied(
    {
      ...haproxy,
      name: 'HAProxy: gzip',
      form: 'hostile',
      expects: 'delays',
      why: 'it tells the kernel that more is to come, which then waits 200 ms for it',
    },
    (port) => startHaproxy(port, COMPRESS_ALL),
  ),
  proxied(
    {
      ...haproxy,
      name: 'HAProxy: docs/servers.md',
      form: 'ours',
      expects: 'streams',
      why: 'option http-no-delay sends what is there',
    },
    (port) => startHaproxy(port, `${COMPRESS_ALL}\n${pageBlock('HAProxy')}`),
  ),
  proxied(
    {
      ...varnish,
      name: 'Varnish: default',
      form: 'default',
      expects: 'streams',
      why: 'it streams by default',
    },
    (port) => startVarnish(port, ''),
  ),
  proxied(
    {
      ...varnish,
      name: 'Varnish: gzip',
      form: 'hostile',
      expects: 'buffers',
      why: 'its gzip waits for a full block',
    },
    (port) => startVarnish(port, onResponse(DO_GZIP)),
  ),
  proxied(
    {
      ...varnish,
      name: 'Varnish: no streaming',
      form: 'hostile',
      expects: 'buffers',
      why: 'it fetches the whole response first',
    },
    (port) => startVarnish(port, onResponse(NO_STREAM)),
  ),
  proxied(
    {
      ...varnish,
      name: 'Varnish: docs/servers.md',
      form: 'ours',
      expects: 'streams',
      why: 'streams are piped past it',
    },
    (port) => startVarnish(port, `${pageBlock('Varnish')}${onResponse(DO_GZIP + NO_STREAM)}`),
  ),
  proxied(
    {
      ...caddy,
      name: 'Caddy: default',
      form: 'default',
      expects: 'streams',
      why: 'it flushes text/event-stream by itself',
    },
    (port) => startCaddy(caddySite(port)),
  ),
  proxied(
    {
      ...caddy,
      name: 'Caddy: encode',
      form: 'hostile',
      expects: 'streams',
      holdsReplay: true,
      why: 'it leaves a response alone that begins with fewer than 512 bytes, and holds back what begins with more: a replay',
    },
    (port) => startCaddy(caddySite(port, '  encode gzip')),
  ),
  proxied(
    {
      ...caddy,
      name: 'Caddy: encode everything',
      form: 'hostile',
      expects: 'buffers',
      why: 'its compressor is never flushed',
    },
    (port) => startCaddy(caddySite(port, ENCODE_ALL)),
  ),
  proxied(
    {
      ...caddy,
      name: 'Caddy: docs/servers.md',
      form: 'ours',
      expects: 'streams',
      why: 'without Accept-Encoding it has nothing to compress for',
    },
    (port) => startCaddy(`${pageBlock('Caddy')}${caddySite(port, ENCODE_ALL)}`),
  ),
  proxied(
    {
      ...lighttpd,
      name: 'lighttpd: default',
      form: 'default',
      expects: 'buffers',
      why: 'it fetches the whole response first',
    },
    (port) => startLighttpd(port, ''),
  ),
  proxied(
    {
      ...lighttpd,
      name: 'lighttpd: deflate',
      form: 'hostile',
      expects: 'buffers',
      why: 'it fetches the whole response first, and compresses it then',
    },
    (port) => startLighttpd(port, DEFLATE),
  ),
  proxied(
    {
      ...lighttpd,
      name: 'lighttpd: docs/servers.md',
      form: 'ours',
      expects: 'streams',
      why: 'server.stream-response-body sends what is there',
    },
    (port) => startLighttpd(port, `${DEFLATE}\n${pageBlock('lighttpd')}`),
  ),
]
