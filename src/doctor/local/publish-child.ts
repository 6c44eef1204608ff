import { createFileSignal } from '../../file-signal.js'
import type { Making } from './delivery.js'
import type { StorePlaces } from './places.js'

/** What the child is told: where the files are, and what to publish. */
export interface Publication extends StorePlaces, Making {
  readonly key: string
  readonly nonce: string
}

const publication = JSON.parse(process.argv[2] ?? '') as Publication
const events = createFileSignal({
  root: publication.root ?? process.cwd(),
  directory: publication.directory,
  database: publication.store,
  mode: publication.mode,
  ...(publication.group === null ? {} : { group: publication.group }),
  onError: () => {},
})
await events.stats()
const at = performance.timeOrigin + performance.now()
await events.signal(publication.key, { nonce: publication.nonce }, { event: 'doctor' })
process.stdout.write(String(at))
await events.close()
