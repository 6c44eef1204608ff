import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../setup/web-server.js'
import { type ServerProcess, startProcess } from './process.js'
import { userFolder } from './user.js'

/** Starts Varnish in front of the app; `vcl` are subroutines that come before the built-in ones. */
export async function startVarnish(appPort: number, vcl: string): Promise<ServerProcess> {
  const folder = userFolder()
  const port = await freePort()
  const config = join(folder, 'site.vcl')
  writeFileSync(config, `vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "${appPort}"; }\n${vcl}\n`)
  return startProcess({
    program: 'varnishd',
    args: [
      '-F',
      '-j',
      'none',
      '-n',
      join(folder, 'work'),
      '-f',
      config,
      '-s',
      'default,16m',
      '-t',
      '0',
    ].concat(['-a', `127.0.0.1:${port}`, '-T', 'none']),
    port,
    log: '',
    cwd: folder,
  })
}
