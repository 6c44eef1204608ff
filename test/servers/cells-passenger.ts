import { apacheFile, BROTLI_ALL, DEFLATE_ALL } from './apache.js'
import type { Cell } from './cell.js'
import { hosted } from './chain.js'
import { HOSTILE_NGINX, nginxFile, proxyAll, startNginx } from './nginx.js'
import { type NginxPassengerSite, startNginxPassenger } from './nginx-passenger/server.js'
import { type PassengerSite, startPassenger } from './passenger.js'

const apache = { layers: ['Apache', 'Passenger'], http: 1 } as const
const apache2 = { layers: ['Apache', 'Passenger'], http: 2 } as const
const behind = { layers: ['nginx', 'Apache', 'Passenger'], http: 1 } as const

const NO_FLUSH = 'mod_passenger never flushes, so the compressor waits for more data than an event has'
const COLLECTS = 'Passenger collects the whole response first'
const STREAMS = 'Passenger passes on what it gets'
const OURS = 'the file turns off compression and buffering for streams'
const EVERYTHING_ON = `${BROTLI_ALL};DEFLATE\nPassengerBufferResponse on`

/** Passenger, its app started by server.mjs unless told otherwise. */
function host(site: Partial<PassengerSite> = {}) {
  return () => startPassenger({ startFile: 'server.mjs', ...site })
}

const nginx = { layers: ['nginx', 'Passenger'], http: 1 } as const
const nginx2 = { layers: ['nginx', 'Passenger'], http: 2 } as const
const pair = { layers: ['nginx', 'nginx', 'Passenger'], http: 1 } as const
const MODULE_ON = `${HOSTILE_NGINX} passenger_buffer_response on; passenger_ignore_headers X-Accel-Buffering;`

/** nginx with Passenger's module. */
function module(site: NginxPassengerSite = {}) {
  return () => startNginxPassenger(site)
}

export const PASSENGER_CELLS: readonly Cell[] = [
  hosted(
    {
      ...apache,
      name: 'Apache Passenger, ES module: default',
      form: 'default',
      expects: 'streams',
      why: STREAMS,
    },
    host(),
  ),
  hosted(
    {
      ...apache,
      name: 'Apache Passenger, CommonJS: default',
      form: 'default',
      expects: 'streams',
      why: STREAMS,
    },
    host({ startFile: 'server.cjs' }),
  ),
  hosted(
    {
      ...apache,
      name: 'Apache Passenger, .cjs starter: default',
      form: 'default',
      expects: 'streams',
      why: STREAMS,
    },
    host({ startFile: 'start.cjs' }),
  ),
  hosted(
    { ...apache, name: 'Apache Passenger: deflate', form: 'hostile', expects: 'buffers', why: NO_FLUSH },
    host({ server: DEFLATE_ALL }),
  ),
  hosted(
    { ...apache, name: 'Apache Passenger: brotli', form: 'hostile', expects: 'buffers', why: NO_FLUSH },
    host({ server: BROTLI_ALL }),
  ),
  hosted(
    { ...apache, name: 'Apache Passenger: buffering on', form: 'hostile', expects: 'buffers', why: COLLECTS },
    host({ server: 'PassengerBufferResponse on' }),
  ),
  hosted(
    { ...apache, name: 'Apache Passenger: apache/.htaccess', form: 'ours', expects: 'streams', why: OURS },
    host({ server: EVERYTHING_ON, htaccess: apacheFile('.htaccess') }),
  ),
  hosted(
    {
      ...apache2,
      name: 'Apache Passenger, HTTP/2: default',
      form: 'default',
      expects: 'streams',
      why: STREAMS,
    },
    host({ tls: true }),
  ),
  hosted(
    {
      ...apache2,
      name: 'Apache Passenger, HTTP/2: hostile',
      form: 'hostile',
      expects: 'buffers',
      why: NO_FLUSH,
    },
    host({ tls: true, server: EVERYTHING_ON }),
  ),
  hosted(
    {
      ...apache2,
      name: 'Apache Passenger, HTTP/2: apache/.htaccess',
      form: 'ours',
      expects: 'streams',
      why: OURS,
    },
    host({ tls: true, server: EVERYTHING_ON, htaccess: apacheFile('.htaccess') }),
  ),
  hosted(
    {
      ...behind,
      name: 'nginx → Apache Passenger: default',
      form: 'default',
      expects: 'streams',
      why: 'Apache passes X-Accel-Buffering on, and nginx obeys it',
    },
    host(),
    (port) => startNginx({ server: proxyAll(port) }),
  ),
  hosted(
    {
      ...behind,
      name: 'nginx → Apache Passenger: both files',
      form: 'ours',
      expects: 'streams',
      why: 'nginx/proxy.conf and apache/.htaccess turn off buffering and compression',
    },
    host({ server: EVERYTHING_ON, htaccess: apacheFile('.htaccess') }),
    (port) => startNginx({ http: HOSTILE_NGINX, server: nginxFile('proxy.conf', port) + proxyAll(port) }),
  ),
  hosted(
    { ...nginx, name: 'nginx Passenger: default', form: 'default', expects: 'streams', why: STREAMS },
    module(),
  ),
  hosted(
    { ...nginx, name: 'nginx Passenger: hostile', form: 'hostile', expects: 'buffers', why: COLLECTS },
    module({ http: MODULE_ON }),
  ),
  hosted(
    { ...nginx, name: 'nginx Passenger: nginx/passenger.conf', form: 'ours', expects: 'streams', why: OURS },
    module({ http: MODULE_ON, server: nginxFile('passenger.conf') }),
  ),
  hosted(
    {
      ...nginx2,
      name: 'nginx Passenger, HTTP/2: nginx/passenger.conf',
      form: 'ours',
      expects: 'streams',
      why: OURS,
    },
    module({ http: MODULE_ON, server: nginxFile('passenger.conf'), tls: true }),
  ),
  hosted(
    {
      ...pair,
      name: 'nginx → nginx Passenger: default',
      form: 'default',
      expects: 'buffers',
      why: 'the inner nginx keeps X-Accel-Buffering to itself, so the outer one buffers',
    },
    module(),
    (port) => startNginx({ server: proxyAll(port) }),
  ),
  hosted(
    {
      ...pair,
      name: 'nginx → nginx Passenger: nginx/passenger.conf',
      form: 'ours',
      expects: 'streams',
      why: 'the inner nginx passes X-Accel-Buffering on, and the outer one obeys it',
    },
    module({ http: MODULE_ON, server: nginxFile('passenger.conf') }),
    (port) => startNginx({ server: proxyAll(port) }),
  ),
]
