import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { askOpen, makeProject } from '../app.js'
import type { Inner } from '../chain.js'
import { checkout } from '../checkout.js'
import { startNginx } from '../nginx.js'
import { PASSENGER_ROOT } from '../passenger.js'
import { certificate } from '../tls.js'
import { userFolder } from '../user.js'
import { passengerModule } from './module.js'

export interface NginxPassengerSite {
  /** Directives of the server block, beside those that tell where the app is. */
  readonly server?: string
  /** Directives of the http block. */
  readonly http?: string
  readonly tls?: boolean
  /** The document root; the app's public folder where it is left out. */
  readonly documents?: string
}

/** Starts nginx with Passenger's module, and a new project as its app. */
export async function startNginxPassenger(site: NginxPassengerSite): Promise<Inner> {
  const root = makeProject()
  const folder = userFolder()
  const module = join(folder, 'passenger.so')
  // The cache lies in the checkout, which may be closed to others.
  copyFileSync(await passengerModule(), module)
  const server = await startNginx({
    modules: [module],
    tls: site.tls ?? false,
    http: `
      passenger_root ${PASSENGER_ROOT};
      passenger_instance_registry_dir ${root}/tmp;
      passenger_log_file ${folder}/passenger.log;
      passenger_temp_path ${folder}/temp;
      passenger_user_switching off;
      passenger_disable_security_update_check on;
      passenger_disable_anonymous_telemetry on;
      passenger_max_pool_size 1;
      ${site.http ?? ''}`,
    server: `
      root ${site.documents ?? join(root, 'public')};
      passenger_enabled on;
      passenger_app_root ${root};
      passenger_app_type node;
      passenger_startup_file server.mjs;
      passenger_nodejs ${checkout().node};
      ${site.server ?? ''}`,
  })
  const ca = site.tls ? certificate().pem : undefined
  const base = `${ca ? 'https' : 'http'}://127.0.0.1:${server.port}`
  try {
    // It starts the app at the first request; a cell has started when the app has.
    await askOpen(base, '', ca)
  } catch (error) {
    await server.stop()
    throw error
  }
  return { ...server, root, openStreams: (key) => askOpen(base, key, ca) }
}
