import { apacheFile, BROTLI_ALL, DEFLATE_ALL, startApache } from './apache.js'
import type { Cell } from './cell.js'
import { type Link, proxied } from './chain.js'

/** Apache as a reverse proxy for all paths, with more directives. */
export function vhost(more: string, tls = false): Link {
  return (port) => startApache({ server: `${more}\nProxyPass / http://127.0.0.1:${port}/`, tls })
}

/** Apache with our file for virtual hosts, on a server that compresses everything. */
export function withVhostFile(tls = false): Link {
  return (port) =>
    startApache({
      server: `${BROTLI_ALL}\n${apacheFile('vhost.conf', port)}\nProxyPass / http://127.0.0.1:${port}/`,
      tls,
    })
}

/** Apache that knows of the app by .htaccess alone. */
function htaccess(text: (port: number) => string, more: string): Link {
  return (port) => startApache({ server: more, htaccess: text(port) })
}

const onlyProxy = (port: number) => `RewriteEngine On\nRewriteRule ^(.*)$ http://127.0.0.1:${port}/$1 [P,L]`

const apache = { layers: ['Apache'], http: 1 } as const
const apache2 = { layers: ['Apache'], http: 2 } as const
const FLUSHES = 'behind mod_proxy Apache compresses, but flushes after each event'
const STREAMS = 'mod_proxy passes on what it has as soon as nothing more is there'

export const APACHE_CELLS: readonly Cell[] = [
  proxied(
    { ...apache, name: 'Apache: default', form: 'default', expects: 'streams', why: STREAMS },
    vhost(''),
  ),
  proxied(
    { ...apache, name: 'Apache: deflate', form: 'hostile', expects: 'streams', why: FLUSHES },
    vhost(DEFLATE_ALL),
  ),
  proxied(
    { ...apache, name: 'Apache: brotli', form: 'hostile', expects: 'streams', why: FLUSHES },
    vhost(BROTLI_ALL),
  ),
  proxied(
    {
      ...apache,
      name: 'Apache: apache/vhost.conf',
      form: 'ours',
      expects: 'streams',
      why: 'the file turns compression off for streams',
    },
    withVhostFile(),
  ),
  proxied(
    { ...apache, name: 'Apache .htaccess [P]: default', form: 'default', expects: 'streams', why: STREAMS },
    htaccess(onlyProxy, ''),
  ),
  proxied(
    { ...apache, name: 'Apache .htaccess [P]: deflate', form: 'hostile', expects: 'streams', why: FLUSHES },
    htaccess(onlyProxy, DEFLATE_ALL),
  ),
  proxied(
    {
      ...apache,
      name: 'Apache .htaccess [P]: apache/proxy.htaccess',
      form: 'ours',
      expects: 'streams',
      why: 'the file turns compression off for streams',
    },
    htaccess(
      (port) => `${apacheFile('proxy.htaccess', port)}\n${apacheFile('.htaccess')}\n${onlyProxy(port)}`,
      DEFLATE_ALL,
    ),
  ),
  proxied(
    { ...apache2, name: 'Apache, HTTP/2: default', form: 'default', expects: 'streams', why: STREAMS },
    vhost('', true),
  ),
  proxied(
    { ...apache2, name: 'Apache, HTTP/2: brotli', form: 'hostile', expects: 'streams', why: FLUSHES },
    vhost(BROTLI_ALL, true),
  ),
  proxied(
    {
      ...apache2,
      name: 'Apache, HTTP/2: apache/vhost.conf',
      form: 'ours',
      expects: 'streams',
      why: 'the file turns compression off for streams',
    },
    withVhostFile(true),
  ),
]
