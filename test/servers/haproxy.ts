import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../setup/web-server.js'
import { type ServerProcess, startProcess } from './process.js'
import { userFolder } from './user.js'

/** Starts HAProxy in front of the app; `defaults` are lines of the defaults section. */
export async function startHaproxy(appPort: number, defaults: string): Promise<ServerProcess> {
  const folder = userFolder()
  const port = await freePort()
  const config = join(folder, 'haproxy.cfg')
  writeFileSync(
    config,
    `defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
${defaults}

frontend site
  bind 127.0.0.1:${port}
  default_backend app

backend app
  server node 127.0.0.1:${appPort}
`,
  )
  return startProcess({ program: 'haproxy', args: ['-db', '-f', config], port, log: '', cwd: folder })
}
