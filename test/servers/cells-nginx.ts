import { DEFLATE_ALL } from './apache.js'
import type { Cell } from './cell.js'
import { vhost, withVhostFile } from './cells-apache.js'
import { type Link, proxied } from './chain.js'
import { HOSTILE_NGINX, nginxFile, proxyAll, startNginx } from './nginx.js'

const plain: Link = (port) => startNginx({ server: proxyAll(port) })
const hostile: Link = (port) => startNginx({ http: HOSTILE_NGINX, server: proxyAll(port) })
const plainTls: Link = (port) => startNginx({ server: proxyAll(port), tls: true })
const hostileTls: Link = (port) => startNginx({ http: HOSTILE_NGINX, server: proxyAll(port), tls: true })

/** A hostile nginx with one of our files in its server block. */
function withFile(name: string, tls = false): Link {
  return (port) => startNginx({ http: HOSTILE_NGINX, server: nginxFile(name, port) + proxyAll(port), tls })
}

const nginx = { layers: ['nginx'], http: 1 } as const
const pair = { layers: ['nginx', 'nginx'], http: 1 } as const
const mixed = { layers: ['nginx', 'Apache'], http: 1 } as const
const nginx2 = { layers: ['nginx'], http: 2 } as const

const DEAF = 'it ignores X-Accel-Buffering, and collects 4 KB before it passes on a byte'

export const NGINX_CELLS: readonly Cell[] = [
  proxied({
    name: 'no server',
    layers: [],
    http: 1,
    form: 'default',
    expects: 'streams',
    why: 'nothing stands in front of the app',
  }),
  proxied(
    {
      ...nginx,
      name: 'nginx: default',
      form: 'default',
      expects: 'streams',
      why: 'it obeys the X-Accel-Buffering that the app sends',
    },
    plain,
  ),
  proxied({ ...nginx, name: 'nginx: hostile', form: 'hostile', expects: 'buffers', why: DEAF }, hostile),
  proxied(
    {
      ...nginx,
      name: 'nginx: nginx/proxy.conf',
      form: 'ours',
      expects: 'streams',
      why: 'the file turns buffering off for streams',
    },
    withFile('proxy.conf'),
  ),
  proxied(
    {
      ...pair,
      name: 'nginx → nginx: default',
      form: 'default',
      expects: 'buffers',
      why: 'the inner nginx keeps X-Accel-Buffering to itself, so the outer one buffers',
    },
    plain,
    plain,
  ),
  proxied(
    { ...pair, name: 'nginx → nginx: hostile', form: 'hostile', expects: 'buffers', why: DEAF },
    hostile,
    hostile,
  ),
  proxied(
    {
      ...pair,
      name: 'nginx → nginx: nginx/behind-nginx.conf in the inner',
      form: 'ours',
      expects: 'streams',
      why: 'the inner nginx passes X-Accel-Buffering on, and the outer one obeys it',
    },
    withFile('behind-nginx.conf'),
    plain,
  ),
  proxied(
    {
      ...pair,
      name: 'nginx → nginx: nginx/proxy.conf in the outer',
      form: 'ours',
      expects: 'streams',
      why: 'the inner nginx obeys the app, the outer one the file',
    },
    plain,
    withFile('proxy.conf'),
  ),
  proxied(
    {
      ...pair,
      name: 'nginx → nginx: both files',
      form: 'ours',
      expects: 'streams',
      why: 'neither nginx needs to obey the app',
    },
    withFile('behind-nginx.conf'),
    withFile('proxy.conf'),
  ),
  proxied(
    {
      ...mixed,
      name: 'nginx → Apache: default',
      form: 'default',
      expects: 'streams',
      why: 'Apache passes X-Accel-Buffering on, and nginx obeys it',
    },
    vhost(''),
    plain,
  ),
  proxied(
    { ...mixed, name: 'nginx → Apache: hostile', form: 'hostile', expects: 'buffers', why: DEAF },
    vhost(DEFLATE_ALL),
    hostile,
  ),
  proxied(
    {
      ...mixed,
      name: 'nginx → Apache: both files',
      form: 'ours',
      expects: 'streams',
      why: 'nginx/proxy.conf turns buffering off, apache/vhost.conf compression',
    },
    withVhostFile(),
    withFile('proxy.conf'),
  ),
  proxied(
    {
      ...nginx2,
      name: 'nginx, HTTP/2: default',
      form: 'default',
      expects: 'streams',
      why: 'it obeys the app, and the prelude lets the header go',
    },
    plainTls,
  ),
  proxied(
    { ...nginx2, name: 'nginx, HTTP/2: hostile', form: 'hostile', expects: 'buffers', why: DEAF },
    hostileTls,
  ),
  proxied(
    {
      ...nginx2,
      name: 'nginx, HTTP/2: nginx/proxy.conf',
      form: 'ours',
      expects: 'streams',
      why: 'the file turns buffering off for streams',
    },
    withFile('proxy.conf', true),
  ),
]
