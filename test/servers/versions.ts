import { spawnSync } from 'node:child_process'
import { findProgram } from '../setup/program.js'
import type { Layer } from './cell.js'

/** How each server tells its version; some do so on stderr. */
const COMMANDS: Record<Layer, readonly [string, ...string[]]> = {
  nginx: ['nginx', '-v'],
  Apache: ['apache2', '-v'],
  Passenger: ['passenger-config', '--version'],
  HAProxy: ['haproxy', '-v'],
  Varnish: ['varnishd', '-V'],
  Caddy: ['caddy', 'version'],
  lighttpd: ['lighttpd', '-v'],
}

/** The installed servers, as `nginx 1.22.1`. */
export function serverVersions(): string[] {
  return Object.entries(COMMANDS).flatMap(([name, [program, ...args]]) => {
    const path = findProgram(program)
    if (!path) return []
    const { stdout, stderr } = spawnSync(path, args, { encoding: 'utf8' })
    const version = /\d+\.\d+(\.\d+)?/.exec(stdout + stderr)?.[0]
    return [`${name} ${version ?? 'of unknown version'}`]
  })
}
