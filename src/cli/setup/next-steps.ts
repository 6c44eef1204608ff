import { join } from 'node:path'
import { quoted, SERVER_SETUPS, type Server } from './server.js'

/** What is left to the user: the server, the app, and a look at whether it works. */
export function nextSteps(root: string, servers: readonly Server[]): string[] {
  const ofServers = servers.map((server) => {
    return SERVER_SETUPS[server].next.replaceAll(/\{([^}]+)\}/g, (_, name: string) =>
      quoted(join(root, name)),
    )
  })
  const lines = [
    ...ofServers,
    'begin your start file with process.loadEnvFile(), and restart the app: touch tmp/restart.txt under Passenger and LiteSpeed',
    'see whether it works: npx file-signal doctor https://YOUR-SITE/orders.sse',
  ]
  return lines
}
