import { findProgram } from '../../setup/program.js'
import type { Fault } from './fault.js'

const PLAIN = {
  lane: 'store',
  resets: 0,
  missing: () => (findProgram('sqlite3') ? null : 'sqlite3 is not installed'),
} as const

/** Programs that keep a transaction open. */
export const LOCKS: readonly Fault[] = [
  hold('lock-write', 'BEGIN IMMEDIATE;'),
  hold('lock-all', 'BEGIN EXCLUSIVE;'),
  hold('lock-read', 'BEGIN; SELECT count(*) FROM events;'),
]

function hold(kind: string, begin: string): Fault {
  return {
    ...PLAIN,
    kind,
    act: async ({ world }, random) => {
      const seconds = random.whole(3, 50) / 10
      const { stderr } = await world.sqlite(`${begin}\n.shell sleep ${seconds}\nCOMMIT;`)
      return `for ${seconds} s ${stderr}`
    },
  }
}
