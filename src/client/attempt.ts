/** What `run` returns; `otherwise` where it throws. */
export function attempt<T, Other = undefined>(run: () => T, otherwise?: Other): T | Other {
  try {
    return run()
  } catch {
    return otherwise as Other
  }
}
