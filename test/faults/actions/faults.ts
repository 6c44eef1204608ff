import { COLD } from './cold.js'
import { COPIES } from './copies.js'
import type { Fault } from './fault.js'
import { HOSTS } from './hosts.js'
import { LIMITS } from './limits.js'
import { LOCKS } from './locks.js'
import { RIGHTS } from './rights.js'
import { ROWS } from './rows.js'
import { SIDE_FILES } from './side-files.js'
import { SIGNAL_FILE } from './signal-file.js'
import { SOCKETS } from './sockets.js'

/** Every kind of fault there is. */
export const FAULTS: readonly Fault[] = [
  ...HOSTS,
  ...SOCKETS,
  ...LIMITS,
  ...LOCKS,
  ...SIGNAL_FILE,
  ...SIDE_FILES,
  ...COPIES,
  ...ROWS,
  ...RIGHTS,
  ...COLD,
]

/** Groups of kinds, to name many at once. */
export const GROUPS: Readonly<Record<string, readonly Fault[]>> = {
  hosts: HOSTS,
  sockets: SOCKETS,
  limits: LIMITS,
  locks: LOCKS,
  'signal-file': SIGNAL_FILE,
  'side-files': SIDE_FILES,
  copies: COPIES,
  rows: ROWS,
  rights: RIGHTS,
  cold: COLD,
}
