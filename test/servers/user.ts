import { chownSync, readFileSync } from 'node:fs'
import { freshFolder } from '../support/folder.js'
import type { User } from './cell.js'

/**
 * Whom servers and apps run as: www-data where the tests run as root, for Apache will not serve as root and
 * Passenger starts no app as root; else whoever runs the tests.
 */
export const USER: User = process.getuid?.() === 0 ? wwwData() : {}

/** A new folder that belongs to USER. */
export function userFolder(): string {
  const folder = freshFolder()
  giveToUser(folder)
  return folder
}

export function giveToUser(path: string): void {
  if (USER.uid !== undefined && USER.gid !== undefined) chownSync(path, USER.uid, USER.gid)
}

function wwwData(): User {
  const line = /^www-data:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))
  if (!line)
    throw new Error(
      'there is no user www-data; install one of the servers, or run the tests as another user than root',
    )
  return { uid: Number(line[1]), gid: Number(line[2]) }
}
