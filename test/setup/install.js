// Some tests run against real programs: Chromium, web servers, a FUSE disk. On a build machine (CI is set) this
// installs what is missing; on your own it only names the command, and those tests skip themselves.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** Program, or a file where there is none, → Debian package that brings it. */
const PROGRAMS = {
  chromium: 'chromium',
  bindfs: 'bindfs',
  openssl: 'openssl',
  patch: 'patch',
  script: 'bsdutils',
  nginx: 'nginx-light',
  '/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so': 'libnginx-mod-http-brotli-filter',
  apache2: 'apache2',
  '/usr/lib/apache2/modules/mod_passenger.so': 'libapache2-mod-passenger',
  haproxy: 'haproxy',
  varnishd: 'varnish',
  caddy: 'caddy',
  lighttpd: 'lighttpd',
  '/usr/lib/lighttpd/mod_deflate.so': 'lighttpd-mod-deflate',
  // To build Passenger's module for nginx, which Debian does not package.
  '/usr/share/nginx/src/configure': 'nginx-dev',
  '/usr/include/jsoncpp/json/json.h': 'libjsoncpp-dev',
  'g++': 'g++',
  make: 'make',
  php: 'php-cli',
  python3: 'python3',
  ruby: 'ruby',
  sqlite3: 'sqlite3',
}

/** What a language needs to open a store: Debian package → a command that succeeds where it is there. */
const LIBRARIES = {
  'php-sqlite3': ['php', '-r', 'exit((int) !extension_loaded("pdo_sqlite"));'],
  'ruby-sqlite3': ['ruby', '-rsqlite3', '-e', ''],
}

const missing = [
  ...Object.keys(PROGRAMS).filter((program) => !isInstalled(program)),
  ...Object.keys(LIBRARIES).filter((library) => !succeeds(LIBRARIES[library])),
]
const packages = missing.map((name) => PROGRAMS[name] ?? name)
if (missing.length > 0 && process.env.CI) install(packages)
else if (missing.length > 0) {
  console.warn(
    `Tests that need ${missing.join(', ')} will be skipped. To run them: ${command(packages).join(' ')}`,
  )
}

function install(packages) {
  run([...sudo(), 'apt-get', 'update', '--quiet'])
  run(command(packages))
}

function command(packages) {
  return [...sudo(), 'apt-get', 'install', '--yes', '--quiet', '--no-install-recommends', ...packages]
}

function run([program, ...args]) {
  // Debian starts web servers on port 80 when it installs them; RUNLEVEL=1 tells it not to.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env })
  if (status === 0) return
  console.error(`${program} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`)
  process.exit(1)
}

function sudo() {
  return process.getuid?.() === 0 ? [] : ['sudo']
}

function succeeds([program, ...args]) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

/** Servers live in /usr/sbin, which an ordinary user's PATH leaves out. */
function isInstalled(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  const paths = isAbsolute(program) ? [program] : folders.map((folder) => join(folder, program))
  return paths.some((path) => {
    try {
      accessSync(path, isAbsolute(program) ? constants.R_OK : constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
