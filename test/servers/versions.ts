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
  return (Object.keys(COMMANDS) as Layer[]).flatMap((layer) => serverVersion(layer) ?? [])
}

/** One of them, or null where it is not installed. */
export function serverVersion(layer: Layer): string | null {
  const [program, ...args] = COMMANDS[layer]
  const path = findProgram(program)
  if (!path) return null
  const { stdout, stderr } = spawnSync(path, args, { encoding: 'utf8' })
  return `${layer} ${/\d+\.\d+(\.\d+)?/.exec(stdout + stderr)?.[0] ?? 'of unknown version'}`
}
