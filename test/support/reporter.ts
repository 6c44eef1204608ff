import mocha from 'mocha'
import { announced } from './skip.js'

/**
 * The spec reporter, with one closing line for machines: `N passed, N failed, N skipped`.
 *
 * In CI a test that was skipped without saying why fails the run.
 */
export default class Reporter extends mocha.reporters.Spec {
  constructor(runner: mocha.Runner, options: mocha.MochaOptions) {
    super(runner, options)
    const silent: string[] = []
    runner.on('pending', (test) => {
      if (!announced.has(test.fullTitle())) silent.push(test.fullTitle())
    })
    runner.once('end', () => {
      const { passes, failures, pending } = runner.stats ?? { passes: 0, failures: 0, pending: 0 }
      const isFault = Boolean(process.env.CI) && silent.length > 0
      if (isFault) {
        console.error(`skipped without a reason:\n  ${silent.join('\n  ')}`)
        runner.failures += silent.length
      }
      console.log(`${passes} passed, ${failures + (isFault ? silent.length : 0)} failed, ${pending} skipped`)
    })
  }
}
