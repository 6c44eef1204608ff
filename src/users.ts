import { readFileSync } from 'node:fs'

/** A user as /etc/passwd lists it. */
export interface User {
  readonly uid: number
  readonly gid: number
  readonly name: string
}

/** Users that web servers run as, where they are not the account's own. */
const OF_WEB_SERVERS = ['www-data', 'apache', 'nginx', 'httpd', 'http', 'nobody', 'lsadm']

/** `alice (1000)`, or `uid 1000` where nobody of that number is listed: panels often hide the list. */
export function showUser(uid: number): string {
  const user = listUsers().find((listed) => listed.uid === uid)
  return user ? `${user.name} (${uid})` : `uid ${uid}`
}

export function showGroup(gid: number): string {
  const group = listGroups().find((listed) => listed.gid === gid)
  return group ? `${group.name} (${gid})` : `gid ${gid}`
}

/** The listed users that web servers are known to run as. */
export function webServerUsers(): User[] {
  return listUsers().filter(({ name }) => OF_WEB_SERVERS.includes(name))
}

/** All groups of a user, as far as they are listed. */
export function groupsOf({ name, gid }: User): number[] {
  const further = listGroups().filter(({ members }) => members.includes(name))
  return [gid, ...further.map((group) => group.gid)]
}

function listUsers(): User[] {
  return linesOf('/etc/passwd').flatMap(([name, , uid, gid]) =>
    name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [],
  )
}

function listGroups(): { name: string; gid: number; members: string[] }[] {
  return linesOf('/etc/group').flatMap(([name, , gid, members]) =>
    name && gid ? [{ name, gid: Number(gid), members: members?.split(',') ?? [] }] : [],
  )
}

function linesOf(path: string): string[][] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
  } catch {
    return []
  }
}
