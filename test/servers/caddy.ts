import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../setup/web-server.js'
import { type ServerProcess, startProcess } from './process.js'
import { userFolder } from './user.js'

/** Starts Caddy with one site, whose directives `site` are. */
export async function startCaddy(site: string): Promise<ServerProcess> {
  const folder = userFolder()
  const port = await freePort()
  const config = join(folder, 'Caddyfile')
  writeFileSync(
    config,
    `{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
${site}
}
`,
  )
  const args = ['run', '--config', config, '--adapter', 'caddyfile']
  return startProcess({ program: 'caddy', args, port, log: '', cwd: folder })
}
