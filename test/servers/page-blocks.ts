import { readFileSync } from 'node:fs'

/** The ready-to-copy block of docs/servers.md under the heading `heading`, as it stands. */
export function pageBlock(heading: string): string {
  const page = readFileSync(new URL('../../docs/servers.md', import.meta.url), 'utf8')
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`))
  const block = section && /^```\w*\n([\s\S]*?)^```$/m.exec(section)?.[1]
  if (!block) throw new Error(`docs/servers.md has no block under "${heading}"`)
  return block
}
