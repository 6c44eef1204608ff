/** What is under way, and what it will come to. In an object, or to wait for the one would be to wait for the other. */
export interface Begun<T> {
  readonly outcome: Promise<T>
}

/**
 * Begins something long before the test that needs it: at the top of a file with the first test of the run. What it waits
 * for, such as a deadline of ten seconds, passes while others run. The function that it returns waits for its outcome.
 *
 * All that it opens must be open when `begin` resolves, or the test that runs then is blamed for it. It must not be
 * disturbed by others, nor disturb them.
 */
export function ahead<T>(begin: () => Begun<T> | Promise<Begun<T>>): () => Promise<T> {
  let begun: Begun<T> | null = null
  before(async () => {
    begun = await begin()
    // A failure belongs to the test that asks for it.
    begun.outcome.catch(() => {})
  })
  return () => begun?.outcome ?? Promise.reject(new Error('it was not begun'))
}
