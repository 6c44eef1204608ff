import { join } from 'node:path'
import { findInstalled, install } from '../drivers/cache.js'

const SPEC = 'jest@30.5.2'

/** The path of Jest's command, or null where it is not installed yet. */
export function findJest(): string | null {
  const folder = findInstalled(SPEC)
  return folder && join(folder, 'node_modules/jest/bin/jest.js')
}

export function installJest(): string {
  return install(SPEC)
}
