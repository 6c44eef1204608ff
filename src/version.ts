import { readFileSync } from 'node:fs'

let known: string | null = null

/** The version of this package. */
export function packageVersion(): string {
  known ??= read()
  return known
}

function read(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const { version }: { version: string } = JSON.parse(text)
  return version
}
