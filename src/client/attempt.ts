/** What `run` returns; `otherwise` where it throws. */
export function attempt<T, Other = undefined>(run: () => T, otherwise?: Other): T | Other {
  try {
    return run()
  } catch {
    return otherwise as Other
  }
}

/** What JSON says; text that is none as it is. */
export function parse(text: string): unknown {
  return attempt((): unknown => JSON.parse(text), text)
}
