import { join } from 'node:path'
import { type ApacheSite, EVERYTHING, startApache } from './apache.js'
import { askOpen, makeProject } from './app.js'
import type { Inner } from './chain.js'
import { checkout } from './checkout.js'
import type { ServerProcess } from './process.js'
import { certificate } from './tls.js'

export type StartFile = 'server.mjs' | 'server.cjs' | 'start.cjs'

export interface PassengerSite extends Site {
  readonly startFile: StartFile
}

/** A site whose app Passenger runs. */
interface Site extends Pick<ApacheSite, 'tls' | 'htaccess'> {
  readonly startFile: string
  /** Directives of the server. */
  readonly server?: string
}

/** Where Debian's package says what it has installed. */
export const PASSENGER_ROOT = '/usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini'

/** Starts Apache with Passenger, and a new project as its app; the .htaccess stands in the app's public folder. */
export async function startPassenger(site: PassengerSite): Promise<Inner> {
  const root = makeProject()
  const server = await startUnderPassenger(root, site)
  const ca = site.tls ? certificate().pem : undefined
  const base = `${ca ? 'https' : 'http'}://127.0.0.1:${server.port}`
  // It starts the app at the first request; a cell has started when the app has.
  try {
    await askOpen(base, '', ca)
  } catch (error) {
    await server.stop()
    throw error
  }
  return { ...server, root, openStreams: (key) => askOpen(base, key, ca) }
}

/** Starts Apache with Passenger for the project in `root`; the app begins at the first request. */
export function startUnderPassenger(root: string, site: Site): Promise<ServerProcess> {
  return startApache({
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
      PassengerNodejs ${checkout().node}
      ${site.server ?? ''}`,
  })
}
