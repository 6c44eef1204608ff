import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../setup/web-server.js'
import { type ServerProcess, startProcess } from './process.js'
import { userFolder } from './user.js'

/** Starts lighttpd in front of the app; `more` are lines at the end of its configuration. */
export async function startLighttpd(appPort: number, more: string): Promise<ServerProcess> {
  const folder = userFolder()
  const port = await freePort()
  const config = join(folder, 'lighttpd.conf')
  const log = join(folder, 'error.log')
  writeFileSync(
    config,
    `server.modules = ("mod_deflate", "mod_proxy")
server.document-root = "${folder}"
server.errorlog = "${log}"
server.upload-dirs = ("${folder}")
server.bind = "127.0.0.1"
server.port = ${port}
proxy.server = ("" => (("host" => "127.0.0.1", "port" => ${appPort})))
${more}
`,
  )
  return startProcess({ program: 'lighttpd', args: ['-D', '-f', config], port, log, cwd: folder })
}
