import { readFileSync } from 'node:fs'

/** Files of the package that init hands out. */
export type Packaged =
  | 'apache/.htaccess'
  | 'apache/proxy.htaccess'
  | 'apache/restarting.asis'
  | 'apache/vhost.conf'
  | 'nginx/passenger.conf'
  | 'nginx/proxy.conf'
  | 'dist/client/sse-client.js'

const PACKAGE = new URL('../../../', import.meta.url)

export function readPackaged(path: Packaged): string {
  return readFileSync(new URL(path, PACKAGE), 'utf8')
}

export function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(readFileSync(new URL('package.json', PACKAGE), 'utf8'))
  return version
}
