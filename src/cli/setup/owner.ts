import { lookAt } from './snapshot.js'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * Who gets what init makes: the owner of the root folder, where root works in somebody else's project. The app
 * runs as that user, and could neither read a `.env` of root's nor write to a folder of root's. Null: nobody but
 * the user who runs this.
 */
export function ownerOfNew(root: string): Owner | null {
  const stats = lookAt(root)
  if (process.geteuid?.() !== 0 || !stats || stats.uid === 0) return null
  return { uid: stats.uid, gid: stats.gid }
}
