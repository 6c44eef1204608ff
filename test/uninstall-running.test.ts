import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, FileSignalError } from 'file-signal'
import { perform } from '../dist/cli/setup/apply.js'
import { planUninstall } from '../dist/cli/setup/plan-uninstall.js'
import { findProject, listNamed } from '../dist/cli/setup/project.js'
import type { Change, Plan } from '../dist/cli/setup/step.js'
import { runCli } from './setup/cli.js'
import { createProject, timedTreeOf, treeOf } from './setup/project.js'

const UNINSTALL = ['uninstall', '--data', '--yes']
const REFILLED =
  /^SETUP_FAILED: ".*data" was filled again meanwhile \(sse_payloads\.sqlite.*\), and stays with \.htaccess, \.gitignore; stop the app, and run the command again/

describe('file-signal uninstall --data beside an app that runs', () => {
  it('leaves no store without what denies it to the web, and can be repeated once the app has stopped', async () => {
    const root = createProject()
    await runCli(root, ['init', '--yes'])
    const events = createFileSignal({ root, onError: () => {} })
    let isOver = false
    const publishing = (async () => {
      while (!isOver) {
        await events.signal('orders', 1).catch(() => {})
        await new Promise(setImmediate)
      }
    })()
    const { code, stdout, stderr } = await runCli(root, UNINSTALL)
    isOver = true
    await publishing
    await events.close()
    expect(stdout).to.match(
      /^remove +data\/sse_payloads\.sqlite +of the store; it is open, .*stop the app first$/m,
    )
    for (const guard of ['.htaccess', '.gitignore']) {
      expect(existsSync(join(root, 'data', guard))).to.equal(existsSync(join(root, 'data')))
    }
    expect(existsSync(join(root, '.file-signal.json'))).to.equal(code !== 0)
    if (code !== 0) expect(stderr).to.match(/^SETUP_FAILED: .* was filled again meanwhile .*; stop the app/)
    // What the app has made anew, after the manifest was gone, is its own.
    if (code !== 0) expect((await runCli(root, UNINSTALL)).code).to.equal(0)
    if (code !== 0) expect(Object.keys(treeOf(root))).to.deep.equal(['.', 'package.json'])
  })

  it('keeps a folder that fills again with its guards and the manifest, and goes on once the app has stopped', async () => {
    const root = createProject()
    await runCli(root, ['init', '--yes'])
    const events = createFileSignal({ root })
    await events.signal('orders', 1)
    const { steps } = uninstallPlan(root)
    const at = steps.findIndex(({ change, path }) => isRemoval(change) && path === join(root, 'data'))
    const done = steps.slice(0, at).map(({ change }) => change)
    for (const change of done) if (change) perform(change)
    await events.signal('orders', 2)
    const before = timedTreeOf(join(root, 'data'))
    expect(Object.keys(before)).to.include.members(['sse_payloads.sqlite', '.htaccess', '.gitignore'])
    const change = steps[at]?.change
    expect(() => change && perform(change))
      .to.throw(FileSignalError, REFILLED)
      .with.property('code', 'SETUP_FAILED')
    expect(timedTreeOf(join(root, 'data'))).to.deep.equal(before)
    await events.close()
    expect((await runCli(root, UNINSTALL)).code).to.equal(0)
    expect(Object.keys(treeOf(root))).to.deep.equal(['.', 'package.json'])
  })

  it('takes what is gone already for deleted', () => {
    const path = join(createProject(), 'own.sqlite-shm')
    perform({ kind: 'delete', path, before: null })
    expect(() => perform({ kind: 'delete', path, before: Buffer.from('edited?') })).to.throw(
      FileSignalError,
      /^SETUP_FAILED: ".*own\.sqlite-shm" was changed by another program/,
    )
  })

  it('puts the guards back where the folder cannot go after all', () => {
    const root = createProject({ 'elsewhere/.htaccess': 'deny', 'elsewhere/.gitignore': '*' })
    // rmdir refuses a link, when the files behind it are gone already.
    symlinkSync('elsewhere', join(root, 'data'))
    const before = treeOf(root)
    const files = ['.htaccess', '.gitignore'].map((name) => ({
      path: join(root, 'data', name),
      before: null,
    }))
    expect(() => perform({ kind: 'remove-folder', path: join(root, 'data'), files })).to.throw(
      FileSignalError,
      /^SETUP_FAILED: cannot remove ".*data" \(ENOTDIR\)/,
    )
    expect(treeOf(root)).to.deep.equal(before)
  })

  it('takes the signal file away whatever it says by then, and no guard that was edited meanwhile', () => {
    const root = createProject()
    const folder = join(root, 'wake')
    mkdirSync(folder)
    writeFileSync(join(folder, 'events.signal'), '2')
    writeFileSync(join(folder, '.htaccess'), 'mine')
    const hint = { path: join(folder, 'events.signal'), before: null }
    const guard = { path: join(folder, '.htaccess'), before: Buffer.from('deny') }
    const remove = (files: readonly (typeof hint | typeof guard)[]) =>
      perform({ kind: 'remove-folder', path: folder, files })
    const before = timedTreeOf(folder)
    expect(() => remove([guard, hint])).to.throw(
      FileSignalError,
      /was changed by another program a moment ago/,
    )
    expect(timedTreeOf(folder)).to.deep.equal(before)
    remove([{ ...guard, before: Buffer.from('mine') }, hint])
    expect(existsSync(folder)).to.equal(false)
  })
})

function uninstallPlan(root: string): Plan {
  const { places, stored } = findProject({ root })
  if (!stored) throw new Error('no manifest')
  const named = listNamed({ root }, null)
  return planUninstall({ root, places, stored, named, withData: true, declined: new Set() })
}

function isRemoval(change: Change | null): boolean {
  return change?.kind === 'remove-folder'
}
