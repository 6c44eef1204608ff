import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import type { Output } from '../output.js'
import { fromRoot } from './environment.js'
import type { Plan, Step } from './step.js'

/** Room for most paths. */
const COLUMN = 28

/** Prints what is done, or would be done, about one path. */
export async function showStep(output: Output, root: string, step: Step): Promise<void> {
  const { action, about } = step
  const path = shownPath(root, step)
  await output.print(`${action.padEnd(9)}  ${path.padEnd(COLUMN)}  ${about}`, { action, path, about })
}

/** Prints all steps, and then what would change in files, as a unified diff that `patch -p1` understands. */
export async function showPlan(output: Output, { root, steps }: Plan): Promise<void> {
  for (const step of steps) await showStep(output, root, step)
  for (const step of steps) await showDiff(output, root, step)
}

/** Prints how a file would change; nothing for folders. */
export async function showDiff(output: Output, root: string, step: Step): Promise<void> {
  const { change } = step
  if (change?.kind !== 'write' && change?.kind !== 'delete') return
  const path = fromRoot(root, change.path)
  // A store may be large, and is no text.
  if (change.kind === 'delete' && change.before === null) return
  const after = change.kind === 'write' ? change.after : null
  const diff = createTwoFilesPatch(
    change.before ? `a/${path}` : '/dev/null',
    after ? `b/${path}` : '/dev/null',
    change.before?.toString('utf8') ?? '',
    after?.toString('utf8') ?? '',
    undefined,
    undefined,
    { context: step.isSecret ? 0 : 3, headerOptions: FILE_HEADERS_ONLY },
  )
  await output.print(`\n${diff.replace(/\n$/, '')}`, { path, diff })
}

function shownPath(root: string, { path, change }: Step): string {
  const isFolder = change?.kind === 'make-folder' || change?.kind === 'remove-folder'
  return `${fromRoot(root, path)}${isFolder ? '/' : ''}`
}
