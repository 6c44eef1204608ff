import { join } from 'node:path'
import { type ApacheSite, EVERYTHING, startApache } from './apache.js'
import { askOpen, makeProject } from './app.js'
import type { Inner } from './chain.js'
import { certificate } from './tls.js'

export type StartFile = 'server.mjs' | 'server.cjs' | 'start.cjs'

export interface PassengerSite extends Pick<ApacheSite, 'tls' | 'htaccess'> {
  readonly startFile: StartFile
  /** Directives of the server. */
  readonly server?: string
}

/** Where Debian's package says what it has installed. */
export const PASSENGER_ROOT = '/usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini'

/** Starts Apache with Passenger, and a new project as its app; the .htaccess stands in the app's public folder. */
export async function startPassenger(site: PassengerSite): Promise<Inner> {
  const root = makeProject()
  const server = await startApache({
    ...site,
    modules: [...EVERYTHING, 'passenger'],
    site: join(root, 'public'),
    server: `
      PassengerRoot ${PASSENGER_ROOT}
      PassengerInstanceRegistryDir ${root}/tmp
      PassengerLogFile ${root}/tmp/passenger.log
      PassengerUserSwitching off
      PassengerDisableSecurityUpdateCheck on
      PassengerDisableAnonymousTelemetry on
      PassengerMaxPoolSize 1
      PassengerMinInstances 1
      PassengerAppRoot ${root}
      PassengerAppType node
      PassengerStartupFile ${site.startFile}
      PassengerNodejs ${process.execPath}
      ${site.server ?? ''}`,
  })
  const ca = site.tls ? certificate().pem : undefined
  const base = `${ca ? 'https' : 'http'}://127.0.0.1:${server.port}`
  // It starts the app at the first request; a cell has started when the app has.
  await askOpen(base, '', ca)
  return { ...server, root, openStreams: (key) => askOpen(base, key, ca) }
}
