import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'
import { attempt, refusal } from './refusal.js'
import { lookAt } from './snapshot.js'
import type { Change, Plan } from './step.js'

/**
 * Makes sure that this user may do all of a plan, before the first of it is done.
 *
 * Throws SETUP_FAILED for a folder that may not be written to, and for a file of another user: it would
 * change hands, since a file is replaced and not written in place.
 */
export function assertWritable({ steps }: Plan): void {
  const changes = steps.flatMap(({ change }) => change ?? [])
  for (const folder of new Set(changes.map(({ path }) => folderAbove(path)))) {
    attempt(folder, 'write to the folder', () => accessSync(folder, constants.W_OK | constants.X_OK))
  }
  for (const change of changes) assertOwn(change)
}

/** The nearest one that is there: those between are made on the way. */
function folderAbove(path: string): string {
  const above = dirname(path)
  return above === path || lookAt(above) ? above : folderAbove(above)
}

function assertOwn(change: Change): void {
  const me = process.geteuid?.()
  if (change.kind !== 'write' || me === undefined || me === 0) return
  const uid = lookAt(change.path)?.uid ?? me
  if (uid === me) return
  throw refusal(change.path, `belongs to user ${uid}, and you are user ${me}`, `run this as user ${uid}`)
}
