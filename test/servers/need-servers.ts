import { existsSync } from 'node:fs'
import { findProgram } from '../setup/program.js'
import { skip } from '../support/skip.js'
import type { Cell, Layer } from './cell.js'
import { closedFolder } from './checkout.js'

/** Program or file, and the Debian package that brings it; test/setup/install.js has the same packages. */
type Need = readonly [what: string, debianPackage: string]

const NEEDS: Record<Layer, readonly Need[]> = {
  nginx: [
    ['nginx', 'nginx-light'],
    ['/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so', 'libnginx-mod-http-brotli-filter'],
  ],
  Apache: [['apache2', 'apache2']],
  Passenger: [['/usr/lib/apache2/modules/mod_passenger.so', 'libapache2-mod-passenger']],
  HAProxy: [['haproxy', 'haproxy']],
  Varnish: [['varnishd', 'varnish']],
  Caddy: [['caddy', 'caddy']],
  lighttpd: [
    ['lighttpd', 'lighttpd'],
    ['/usr/lib/lighttpd/mod_deflate.so', 'lighttpd-mod-deflate'],
  ],
}

/** To build Passenger's module for nginx, see nginx-passenger/module.ts. */
const NEEDS_OF_MODULE: readonly Need[] = [
  ['/usr/share/passenger/ngx_http_passenger_module/config', 'passenger'],
  ['/usr/share/nginx/src/configure', 'nginx-dev'],
  ['/usr/include/jsoncpp/json/json.h', 'libjsoncpp-dev'],
  ['g++', 'g++'],
  ['make', 'make'],
]

/**
 * Sees to it that all servers of a cell are installed: skips out loud, and names the command, where one is
 * missing; on a build machine (CI is set) it fails.
 */
export function needServers(context: Mocha.Context, cell: Pick<Cell, 'layers' | 'http'>): void {
  refuse(context, whyNotHere(cell))
}

export function needLayer(context: Mocha.Context, layer: Layer): void {
  refuse(context, missingOf(NEEDS[layer]))
}

/** Why a cell cannot be started here, and the command that changes it; null where it can. */
export function whyNotHere(cell: Pick<Cell, 'layers' | 'http'>): string | null {
  for (const [place, layer] of cell.layers.entries()) {
    const isModule = layer === 'Passenger' && cell.layers[place - 1] === 'nginx'
    const why = missingOf(isModule ? NEEDS_OF_MODULE : NEEDS[layer])
    if (why) return why
  }
  if (cell.http === 2 && !findProgram('openssl')) return missing('openssl', 'openssl')
  const closed = closedFolder()
  return closed ? `www-data may not enter ${closed}; set TMPDIR to a folder that it may enter` : null
}

function missingOf(needs: readonly Need[]): string | null {
  const need = needs.find(([what]) => !(what.startsWith('/') ? existsSync(what) : findProgram(what)))
  return need ? missing(...need) : null
}

function missing(what: string, debianPackage: string): string {
  return `${what} is not installed; run: apt-get install ${debianPackage}`
}

function refuse(context: Mocha.Context, why: string | null): void {
  if (why === null) return
  if (process.env.CI) throw new Error(why)
  skip(context, why)
}
