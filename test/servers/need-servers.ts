import { existsSync } from 'node:fs'
import { needProgram } from '../setup/program.js'
import { skip } from '../support/skip.js'
import type { Cell, Layer } from './cell.js'
import { closedFolder } from './user.js'

/** Program or file, and the Debian package that brings it; test/setup/install.js has the same packages. */
const NEEDS: Record<Layer, readonly (readonly [string, string])[]> = {
  nginx: [
    ['nginx', 'nginx-light'],
    ['/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so', 'libnginx-mod-http-brotli-filter'],
  ],
  Apache: [['apache2', 'apache2']],
  Passenger: [['/usr/lib/apache2/modules/mod_passenger.so', 'libapache2-mod-passenger']],
  HAProxy: [['haproxy', 'haproxy']],
  Varnish: [['varnishd', 'varnish']],
  Caddy: [['caddy', 'caddy']],
  lighttpd: [['lighttpd', 'lighttpd']],
}

/**
 * Sees to it that all servers of a cell are installed: skips out loud, and names the command, where one is
 * missing; on a build machine (CI is set) it fails.
 */
export function needServers(context: Mocha.Context, cell: Pick<Cell, 'layers' | 'http'>): void {
  for (const layer of cell.layers) needLayer(context, layer)
  if (cell.http === 2) needProgram(context, 'openssl', 'openssl')
  const closed = closedFolder()
  if (closed) refuse(context, `www-data may not enter ${closed}; run: chmod o+rx ${closed}`)
}

export function needLayer(context: Mocha.Context, layer: Layer): void {
  for (const [what, debianPackage] of NEEDS[layer]) {
    if (!what.startsWith('/')) needProgram(context, what, debianPackage)
    else if (!existsSync(what)) {
      refuse(context, `${what} is not installed; run: apt-get install ${debianPackage}`)
    }
  }
}

function refuse(context: Mocha.Context, why: string): never {
  if (process.env.CI) throw new Error(why)
  return skip(context, why)
}
