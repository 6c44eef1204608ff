// Some tests run against real programs: Chromium, nginx, Apache, a FUSE disk. On a build machine (CI is set) this
// installs what is missing; on your own it only names the command, and those tests skip themselves.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Program → Debian package that brings it. */
const PROGRAMS = { chromium: 'chromium', nginx: 'nginx-light', apache2: 'apache2', bindfs: 'bindfs' }

const missing = Object.keys(PROGRAMS).filter((program) => !isInstalled(program))
const packages = missing.map((program) => PROGRAMS[program])
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
  // Debian starts nginx and Apache on port 80 when it installs them; RUNLEVEL=1 tells it not to.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env })
  if (status === 0) return
  console.error(`${program} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`)
  process.exit(1)
}

function sudo() {
  return process.getuid?.() === 0 ? [] : ['sudo']
}

/** Servers live in /usr/sbin, which an ordinary user's PATH leaves out. */
function isInstalled(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
