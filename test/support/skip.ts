/** Full titles of the tests that said why they were skipped. */
export const announced = new Set<string>()

/** Skips a test out loud: says why, and what would make it run. */
export function skip(context: Mocha.Context, why: string): never {
  const test = context.test ?? context.currentTest
  if (test) announced.add(test.fullTitle())
  console.warn(`      skipped: ${why}`)
  return context.skip()
}
