import { lstatSync, statSync } from 'node:fs'
import { codeOf } from '../../errors.js'
import { showUser } from '../../users.js'
import { type Finding, fail, pass, skip, warn } from '../result.js'
import type { StorePlaces } from './places.js'

/** The user of this process against the owner of the project: a cron job of root makes files that the web cannot write. */
export function checkOwner({ root, store }: StorePlaces): Finding {
  const uid = process.geteuid?.()
  if (uid === undefined || root === null)
    return skip('not known: no project root, or a system without owners')
  const owner = statSync(root).uid
  const details = { uid, owner }
  if (uid === owner) return pass(`${showUser(uid)}, who owns the project`, details)
  const seen = `${showUser(uid)}, while the project belongs to ${showUser(owner)}`
  const remedy = `run cron jobs and this command as ${showUser(owner)}, or give both one group and pass { mode: 0o660, group }`
  if (!isMissing(store)) return warn(seen, remedy, details)
  return fail(`${seen}, and the store is not there yet: it would not be the owner's`, remedy, details)
}

/** A file in a folder that this user may not enter is not missing. */
function isMissing(path: string): boolean {
  try {
    lstatSync(path)
    return false
  } catch (error) {
    return codeOf(error) === 'ENOENT'
  }
}
