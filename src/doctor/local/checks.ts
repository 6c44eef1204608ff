import type { Paths } from '../../paths.js'
import { inspectSqlite } from '../../payload/sqlite/driver-facts.js'
import { type CheckGroup, type CheckStatus, type Finding, safely, type Tell } from '../result.js'
import { checkFileSystem, checkQuota, checkRoom } from './disk.js'
import { checkDriver } from './driver.js'
import { checkGuards } from './guards.js'
import { checkLibc } from './libc.js'
import { checkNode, checkNpm } from './node.js'
import { checkOwner } from './owner.js'
import { checkPanel } from './panel.js'
import { checkPlaces, checkRoot, type StorePlaces } from './places.js'
import { checkNear, checkProject } from './project.js'
import { checkRights } from './rights.js'
import { checkOpenFiles } from './strays.js'

/** All checks of the machine and the files, which change nothing. Resolves with whether the store may be used at all. */
export async function checkLocally(paths: Paths, places: StorePlaces | null, tell: Tell): Promise<boolean> {
  async function attempt(
    group: CheckGroup,
    name: string,
    check: () => Finding | Promise<Finding>,
  ): Promise<CheckStatus> {
    const finding = await safely(check)
    tell(group, name, finding)
    return finding.status
  }
  await attempt('machine', 'node', checkNode)
  await attempt('machine', 'npm', checkNpm)
  await attempt('machine', 'panel', checkPanel)
  const facts = inspectSqlite()
  await attempt('machine', 'glibc', () => checkLibc(facts))
  const driver = await attempt('machine', 'sqlite driver', () => checkDriver(facts))
  await attempt('files', 'root', () => checkRoot(paths))
  if (places === null) return false
  await attempt('files', 'paths', () => checkPlaces(places))
  await attempt('files', 'project', () => checkProject(paths, places))
  await attempt('files', 'other stores', () => checkNear(places))
  await attempt('files', 'open files', () => checkOpenFiles(places))
  const owner = await attempt('files', 'owner', () => checkOwner(places))
  const rights = await attempt('files', 'rights', () => checkRights(places))
  await attempt('files', 'guards', () => checkGuards(places))
  await attempt('files', 'file system', () => checkFileSystem(places))
  const room = await attempt('files', 'room', () => checkRoom(places))
  await attempt('files', 'quota', checkQuota)
  return ![driver, owner, rights, room].includes('fail')
}
