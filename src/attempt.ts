/** What `work` gives; null where it throws: files, processes and working directories go away while they are looked at. */
export function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}
