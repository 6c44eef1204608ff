import type { Packaged } from './packaged.js'

export const SERVERS = ['nginx', 'apache', 'litespeed', 'passenger'] as const
/** What stands in front of the app. Passenger runs inside Apache or nginx. */
export type Server = (typeof SERVERS)[number]

/** What a server is given. */
export interface ServerSetup {
  /** Whether it reads `.htaccess`. */
  readonly htaccess: boolean
  /** Files of the package to copy, each with its name under the root. */
  readonly copies: readonly (readonly [from: Packaged, to: string])[]
  /** What the user has to do with them; `{name}` is the whole path of a copy, in quotes. */
  readonly next: string
}

/** What Apache answers while the app restarts. */
export const RESTARTING = 'apache/restarting.asis'

export const SERVER_SETUPS: Readonly<Record<Server, ServerSetup>> = Object.freeze({
  nginx: {
    htaccess: false,
    copies: [['nginx/proxy.conf', 'nginx/file-signal.conf']],
    next: 'put this line into the server block of your site, and reload nginx: include {nginx/file-signal.conf};',
  },
  apache: {
    htaccess: true,
    copies: [
      ['apache/vhost.conf', 'apache/file-signal.conf'],
      [RESTARTING, RESTARTING],
    ],
    next: 'Apache reads .htaccess by itself; in front of a port put this line into the VirtualHost: Include {apache/file-signal.conf}',
  },
  litespeed: {
    htaccess: true,
    copies: [],
    next: 'LiteSpeed reads .htaccess by itself: there is nothing to include',
  },
  passenger: {
    htaccess: true,
    copies: [['nginx/passenger.conf', 'nginx/file-signal-passenger.conf']],
    next: 'Apache reads .htaccess by itself; only where nginx runs Passenger put this line into its server block: include {nginx/file-signal-passenger.conf};',
  },
})

/** A server, and what gave it away. */
export interface Detected {
  readonly server: Server
  readonly why: string
}

/**
 * Which server stands in front, where that is certain: from the environment that its launcher makes, or from
 * the lines that a panel has written into `.htaccess` (`path` is its name for people). A `.htaccess` alone proves nothing, for frameworks bring theirs.
 */
export function detectServer(
  path: string,
  htaccess: string,
  env: Readonly<Record<string, string | undefined>>,
): Detected | null {
  const variable = Object.keys(env).find((name) => name.startsWith('LSNODE_'))
  if (variable) return { server: 'litespeed', why: `${variable} is set` }
  if (/^\s*SetEnv\s+LSNODE_/im.test(htaccess)) return { server: 'litespeed', why: `${path} sets LSNODE_…` }
  if (/^\s*Passenger(AppRoot|Enabled|StartupFile|Nodejs)\s/im.test(htaccess)) {
    return { server: 'passenger', why: `${path} has Passenger lines` }
  }
  return env.IN_PASSENGER === '1' ? { server: 'passenger', why: 'IN_PASSENGER is set' } : null
}

export function isServer(value: unknown): value is Server {
  return SERVERS.some((name) => name === value)
}

/** nginx and Apache end a word at a blank, and both know these two escapes. */
export function quoted(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&')}"`
}
