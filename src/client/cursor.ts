import { attempt } from './attempt.js'

/** True where `id` is of the same store as `cursor`, and not after it: that event was here already. */
export function isPast(id: string, cursor: string): boolean {
  const [epoch, n] = id.split('-')
  const [ownEpoch, ownN] = cursor.split('-')
  return epoch === ownEpoch && Number(n) <= Number(ownN)
}

/** The cursor that this tab kept under a name; empty where there is none, or no storage. */
export function recall(name: string): string {
  return attempt(() => sessionStorage.getItem(name)) || ''
}

/** Keeps a cursor over reloads. Storage that is full or forbidden keeps nothing. */
export function keep(name: string, cursor: string): void {
  attempt(() => sessionStorage.setItem(name, cursor))
}
