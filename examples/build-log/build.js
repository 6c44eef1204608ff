// In the place of a real build: node examples/build-log/build.js pass|fail
import { setTimeout as sleep } from 'node:timers/promises'

const STEPS = ['fetch dependencies', 'compile', 'check types', 'run 318 tests', 'pack']

for (const [i, step] of STEPS.entries()) {
  process.stdout.write(`${i + 1}/${STEPS.length} ${step} …`)
  await sleep(150)
  if (process.argv[2] === 'fail' && step === 'check types') {
    console.log(' ✖\nType “number” is not assignable to type “string”.')
    process.exitCode = 1
    break
  }
  console.log(' ✔')
}
