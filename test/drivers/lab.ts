import { spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Ended } from '../support/child.js'
import { freshFolder } from '../support/folder.js'
import { withNode } from './cache.js'

const here = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** A copy of the built package and its tests, with a better-sqlite3 of its own, or none. */
export interface Lab {
  readonly root: string
  /** Runs this lab's Node in it, to the end. */
  run(...args: string[]): Promise<Ended>
  /** Runs some of the tests, by their names. */
  test(...names: string[]): Promise<Ended>
}

/** `betterSqlite3` is the folder of an installed package. */
export function createLab(node: string, betterSqlite3: string | null): Lab {
  const root = freshFolder()
  // Some tests start processes of another user.
  chmodSync(root, 0o755)
  for (const name of ['dist', 'build', 'package.json', '.mocharc.json']) {
    cpSync(join(here, name), join(root, name), { recursive: true })
  }
  mkdirSync(join(root, 'node_modules'))
  for (const name of readdirSync(join(here, 'node_modules'))) {
    if (name === 'better-sqlite3') continue
    symlinkSync(join(here, 'node_modules', name), join(root, 'node_modules', name))
  }
  if (betterSqlite3) symlinkSync(betterSqlite3, join(root, 'node_modules/better-sqlite3'))

  function run(...args: string[]): Promise<Ended> {
    const child = spawn(node, args, { cwd: root, env: { ...process.env, ...withNode(node) } })
    let stdout = ''
    let stderr = ''
    child.stdin.end()
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    })
  }

  return {
    root,
    run,
    test: (...names) => {
      const files = names.map((name) => `build/${name}.test.js`)
      // Several labs run at a time, which those tests feel that measure milliseconds.
      return run('node_modules/mocha/bin/mocha.js', '--retries', '1', ...files)
    },
  }
}
