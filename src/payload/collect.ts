import type { NewRow, PayloadEngine, Transacted, Work } from './engine.js'

/**
 * A transaction on a store that the application writes nothing else into: its rows are collected while `work`
 * runs, at once, and then appended together. Rejects with what `work` threw, or as `append` does.
 */
export async function appendCollected(append: PayloadEngine['append'], work: Work): Promise<Transacted> {
  const rows: NewRow[] = []
  work((added) => rows.push(...added))
  return rows.length === 0 ? { epoch: '', rows: [] } : append(rows)
}
