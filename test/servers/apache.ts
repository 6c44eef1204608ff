import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from '../setup/program.js'
import { freePort } from '../setup/web-server.js'
import { type ServerProcess, startProcess } from './process.js'
import { certificate } from './tls.js'
import { giveToUser, userFolder } from './user.js'

export interface ApacheSite {
  /** Directives of the server, which is one site. */
  readonly server: string
  /** What stands in the .htaccess of the site's folder. */
  readonly htaccess?: string
  /** The site's folder; a new empty one where it is left out. */
  readonly site?: string
  /** Modules to load, without "mod_"; EVERYTHING where it is left out. */
  readonly modules?: readonly string[]
  readonly tls?: boolean
}

const MODULES = '/usr/lib/apache2/modules'
export const BARE: readonly string[] = ['mpm_event', 'authz_core', 'mime']
const WITH_REMEDIES = [
  ...BARE,
  'dir',
  'alias',
  'env',
  'setenvif',
  'headers',
  'rewrite',
  'filter',
  'deflate',
  'brotli',
]
export const EVERYTHING: readonly string[] = [...WITH_REMEDIES, 'proxy', 'proxy_http', 'http2', 'ssl']

/** "Optimize website: compress all content", as panels write it. */
export const DEFLATE_ALL = 'SetOutputFilter DEFLATE'
export const BROTLI_ALL = 'SetOutputFilter BROTLI_COMPRESS'

/** A file of apache/ with its one line changed: where the app listens. */
export function apacheFile(name: string, appPort?: number): string {
  const text = readFileSync(new URL(`../../apache/${name}`, import.meta.url), 'utf8')
  if (appPort === undefined) return text
  const lines = text.split('127.0.0.1:3000')
  if (lines.length !== 2)
    throw new Error(`apache/${name} names the app in ${lines.length - 1} places, not in one`)
  return lines.join(`127.0.0.1:${appPort}`)
}

/** Starts Apache with one site on a free port of the loopback; .htaccess may use FileInfo, and nothing more. */
export async function startApache(site: ApacheSite): Promise<ServerProcess> {
  const folder = userFolder()
  const port = await freePort()
  const config = join(folder, 'apache.conf')
  const log = join(folder, 'error.log')
  const documents = site.site ?? join(folder, 'site')
  if (site.site === undefined) {
    mkdirSync(documents)
    giveToUser(documents)
  }
  if (site.htaccess !== undefined) writeFileSync(join(documents, '.htaccess'), site.htaccess)
  writeFileSync(config, describe(site, folder, documents, port))
  return startProcess({ program: 'apache2', args: ['-f', config, '-DFOREGROUND'], port, log, cwd: folder })
}

function describe(site: ApacheSite, folder: string, documents: string, port: number): string {
  const tls = site.tls
    ? `SSLEngine on
       SSLCertificateFile ${certificate().certificateFile}
       SSLCertificateKeyFile ${certificate().keyFile}
       Protocols h2 http/1.1`
    : ''
  return `
    ${loadModules(site.modules ?? EVERYTHING)}
    ServerName localhost
    ServerRoot ${folder}
    DefaultRuntimeDir ${folder}
    PidFile ${folder}/apache.pid
    ErrorLog ${folder}/error.log
    Mutex file:${folder}
    StartServers 1
    ServerLimit 2
    MinSpareThreads 5
    MaxSpareThreads 50
    ThreadsPerChild 25
    MaxRequestWorkers 50
    TypesConfig /dev/null
    Listen 127.0.0.1:${port}
    DocumentRoot ${documents}
    <Directory ${documents}>
      Options FollowSymLinks
      AllowOverride FileInfo
      Require all granted
    </Directory>
    ${tls}
    ${site.server}`
}

function loadModules(names: readonly string[]): string {
  const builtIn = spawnSync(findProgram('apache2') ?? 'apache2', ['-l'], { encoding: 'utf8' }).stdout
  return names
    .filter((name) => !builtIn.includes(`mod_${name}.c`))
    .map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`)
    .join('\n')
}
