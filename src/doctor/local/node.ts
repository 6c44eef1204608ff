import { readFileSync } from 'node:fs'
import { isVersionBelow } from '../../payload/sqlite/driver-choice.js'
import { runChild } from '../child.js'
import { ownFile } from '../own-file.js'
import { type Finding, fail, pass, skip } from '../result.js'

const NPM_TIME = 8000

/** The running Node against what this package needs. */
export function checkNode(version = process.versions.node): Finding {
  const range = neededNode()
  const details = { version, needed: range, nodeApi: process.versions.napi, path: process.execPath }
  const seen = `Node ${version}, Node-API ${process.versions.napi ?? 'not known'}`
  if (satisfies(version, range)) return pass(seen, details)
  return fail(`${seen}; needed is ${range}`, `choose another Node in your panel: ${range}`, details)
}

/** npm is needed to install, never to run. */
export async function checkNpm(): Promise<Finding> {
  const { code, stdout, unstarted, timedOut } = await runChild('npm', ['--version'], NPM_TIME)
  const version = stdout.trim()
  if (code !== 0 || version === '') {
    const why = timedOut ? `no answer within ${NPM_TIME} ms` : (unstarted ?? `exit code ${code}`)
    return skip(`not known: npm cannot be run here (${why}); nothing here needs it to run`)
  }
  const note = majorOf(version) >= 12 ? ', which runs install scripts only where they are approved' : ''
  return pass(`npm ${version}${note}`, { version })
}

/** `20.20.2` against `^20.19 || >=22.12`: the two forms that our package.json uses, of two numbers each. */
export function satisfies(version: string, range: string): boolean {
  return range.split('||').some((part) => {
    const [, sign = '', least = ''] = /^\s*(\^|>=)\s*([\d.]+)\s*$/.exec(part) ?? []
    if (sign === '' || isVersionBelow(version, least)) return false
    return sign === '>=' || majorOf(version) === majorOf(least)
  })
}

function neededNode(): string {
  const text = readFileSync(ownFile('../../package.json'), 'utf8')
  const { engines }: { engines: { node: string } } = JSON.parse(text)
  return engines.node
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10)
}
