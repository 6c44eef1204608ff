import { machineNow } from './machine-now.js'
import { type Making, openAt } from './open-at.js'
import type { StorePlaces } from './places.js'

/** What the child is told: where the files are, and what to publish. */
export interface Publication extends StorePlaces, Making {
  readonly key: string
  readonly nonce: string
}

const publication = JSON.parse(process.argv[2] ?? '') as Publication
const events = openAt(publication, publication)
await events.stats()
const at = machineNow()
await events.signal(publication.key, { nonce: publication.nonce }, { event: 'doctor' })
process.stdout.write(String(at))
await events.close()
