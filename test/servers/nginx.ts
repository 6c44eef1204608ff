import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../setup/web-server.js'
import { type ServerProcess, startProcess } from './process.js'
import { certificate } from './tls.js'
import { userFolder } from './user.js'

export interface NginxSite {
  /** Directives of the server block. */
  readonly server: string
  /** Directives of the http block. */
  readonly http?: string
  readonly tls?: boolean
  /** Paths of more modules to load. */
  readonly modules?: readonly string[]
}

const MODULES = '/usr/lib/nginx/modules'
const BROTLI = ['ngx_http_brotli_filter_module.so']

/** A host that collects and compresses whatever it can, and does not care what the app says of that. */
export const HOSTILE_NGINX = `
  gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;
  brotli on; brotli_types *; brotli_min_length 1;
  proxy_buffering on;
  proxy_ignore_headers X-Accel-Buffering;`

/** A file of nginx/, its one line changed to where the app listens, if it has such a line. */
export function nginxFile(name: string, appPort?: number): string {
  const text = readFileSync(new URL(`../../nginx/${name}`, import.meta.url), 'utf8')
  if (appPort === undefined) return text
  const lines = text.split('http://127.0.0.1:3000')
  if (lines.length !== 2)
    throw new Error(`nginx/${name} names the app in ${lines.length - 1} places, not in one`)
  return lines.join(`http://127.0.0.1:${appPort}`)
}

/** What a site has for its pages, as panels write it. */
export function proxyAll(port: number): string {
  return `\nlocation / {
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_pass http://127.0.0.1:${port};
  }`
}

/** Starts nginx with one server block on a free port of the loopback. */
export async function startNginx(site: NginxSite): Promise<ServerProcess> {
  const folder = userFolder()
  const port = await freePort()
  const config = join(folder, 'nginx.conf')
  const log = join(folder, 'error.log')
  writeFileSync(config, describe(site, folder, port))
  const args = ['-p', folder, '-c', config, '-e', log, '-g', 'daemon off;']
  return startProcess({ program: 'nginx', args, port, log, cwd: folder })
}

function describe(site: NginxSite, folder: string, port: number): string {
  const brotli = BROTLI.map((name) => `${MODULES}/${name}`).filter((path) => existsSync(path))
  const modules = [...brotli, ...(site.modules ?? [])]
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const tls = site.tls
    ? `ssl_certificate ${certificate().certificateFile}; ssl_certificate_key ${certificate().keyFile};`
    : ''
  return `
    ${modules.map((path) => `load_module ${path};`).join('\n')}
    worker_processes 1;
    pid ${folder}/nginx.pid;
    error_log ${folder}/error.log;
    events { worker_connections 256; }
    http {
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n')}
      access_log off;
      ${site.http ?? ''}
      server {
        listen 127.0.0.1:${port}${site.tls ? ' ssl http2' : ''};
        ${tls}
        ${site.server}
      }
    }`
}
