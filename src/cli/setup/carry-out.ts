import type { Output } from '../output.js'
import type { Session } from '../session.js'
import { perform } from './apply.js'
import { askForLeave } from './consent.js'
import { isLocked, withLock } from './lock.js'
import { ownerOfNew } from './owner.js'
import { refusal } from './refusal.js'
import { showPlan, showStep } from './show.js'
import type { Plan } from './step.js'

/** How far a command may go. */
export interface Leave {
  /** Ask nobody. */
  readonly yes?: boolean
  /** Show all, and change nothing. */
  readonly dryRun?: boolean
}

const NOBODY: ReadonlySet<string> = new Set()

/**
 * Plans, asks, and does what was planned, step by step; true where something was done.
 *
 * The plan is made anew under the lock, for while somebody thinks about a question the files may change: what
 * they have not seen is not done.
 */
export async function carryOut(
  { output, json }: Session,
  leave: Leave,
  makePlan: (declined: ReadonlySet<string>) => Plan,
): Promise<boolean> {
  const plan = makePlan(NOBODY)
  const isIdle = plan.steps.every(({ change }) => change === null)
  if (leave.dryRun) {
    await showPlan(output, plan)
    return false
  }
  if (isIdle && !isLocked(plan.root)) {
    for (const step of plan.steps) await showStep(output, plan.root, step)
    await showNothing(output)
    return false
  }
  const canAsk = !json && Boolean(process.stdin.isTTY && process.stdout.isTTY)
  const declined = leave.yes || isIdle ? NOBODY : await askForLeave(output, plan, canAsk)
  if (declined === null) {
    await showNothing(output)
    return false
  }
  return withLock(plan.root, async () => {
    const fresh = makePlan(declined)
    if (!leave.yes && !isSame(makePlan(NOBODY), plan)) {
      throw refusal(plan.root, 'was changed by another program meanwhile', 'run the command again')
    }
    const owner = ownerOfNew(fresh.root)
    for (const step of fresh.steps) {
      if (step.change) perform(step.change, owner)
      await showStep(output, fresh.root, step)
    }
    const isDone = fresh.steps.some(({ change }) => change !== null)
    if (!isDone) await showNothing(output)
    return isDone
  })
}

async function showNothing(output: Output): Promise<void> {
  await output.print('nothing was changed', { changed: false })
}

/** Buffers compare by their contents once they are text. */
function isSame(one: Plan, other: Plan): boolean {
  return JSON.stringify(one.steps) === JSON.stringify(other.steps)
}
