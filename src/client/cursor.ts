/** True where `id` is of the same store as `cursor`, and not after it: that event was here already. */
export function isPast(id: string, cursor: string): boolean {
  const [epoch, n] = id.split('-')
  const [ownEpoch, ownN] = cursor.split('-')
  return epoch === ownEpoch && Number(n) <= Number(ownN)
}

/** A place in sessionStorage for the cursor of a stream; storage that is full or forbidden remembers nothing. */
export interface Memory {
  recall(): string
  keep(cursor: string): void
}

export function createMemory(name: string): Memory {
  return {
    recall: () => attempt(() => sessionStorage.getItem(name)) ?? '',
    keep: (cursor) => attempt(() => sessionStorage.setItem(name, cursor)),
  }
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {}
}
