import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { serverVersion } from '../versions.js'

/** Debian's sources: of nginx's build (nginx-dev), of Passenger's module and its headers (passenger). */
const NGINX = '/usr/share/nginx/src'
const MODULE = '/usr/share/passenger/ngx_http_passenger_module'
const HEADERS = '/usr/share/passenger/include'
const SUPPORT = fileURLToPath(new URL('../../../test/servers/nginx-passenger/support.cc', import.meta.url))
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/file-signal/', import.meta.url))

const run = promisify(execFile)

let building: Promise<string> | null = null

/**
 * The path of Passenger's module for the installed nginx, which Debian does not package: built from Debian's own
 * sources in some ten seconds, and kept in node_modules/.cache for the next run.
 */
export function passengerModule(): Promise<string> {
  building ??= findOrBuild()
  return building
}

async function findOrBuild(): Promise<string> {
  const versions = `${serverVersion('nginx')} ${serverVersion('Passenger')}`
  const made = createHash('sha256').update(versions).update(readFileSync(SUPPORT)).digest('hex').slice(0, 16)
  const path = join(CACHE, `ngx_http_passenger_module-${made}.so`)
  if (existsSync(path)) return path
  const folder = mkdtempSync(join(tmpdir(), 'file-signal-module-'))
  try {
    const built = await build(folder)
    mkdirSync(CACHE, { recursive: true })
    // Another process may have been as quick: the whole file, or none.
    cpSync(built, `${path}.${process.pid}`)
    renameSync(`${path}.${process.pid}`, path)
    return path
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function build(folder: string): Promise<string> {
  const support = join(folder, 'support.o')
  const includes = [`-I${HEADERS}/cxx_supportlib`, '-I/usr/include/jsoncpp']
  await run('g++', ['-std=c++17', '-O1', '-fPIC', ...includes, '-c', SUPPORT, '-o', support])
  const source = join(folder, 'nginx')
  cpSync(NGINX, source, { recursive: true })
  const script = `. ./conf_flags && ./configure "\${NGX_CONF_FLAGS[@]}" --add-dynamic-module=${MODULE} && make -f objs/Makefile -j2 modules`
  const env = {
    ...process.env,
    // Both keep the module's configure script from calling Passenger's own build, which is not there.
    PASSENGER_INCLUDEDIR: HEADERS,
    PASSENGER_LIBS: `${support} -ljsoncpp`,
  }
  await run('bash', ['-c', script], { cwd: source, env, maxBuffer: 16 * 1024 * 1024 })
  return join(source, 'objs/ngx_http_passenger_module.so')
}
