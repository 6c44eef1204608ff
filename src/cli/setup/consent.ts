import { usageError } from '../failure.js'
import type { Output } from '../output.js'
import { showDiff, showStep } from './show.js'
import type { Plan, Step } from './step.js'

/**
 * Asks the user for leave, question by question, and shows the changes of files that exist already.
 *
 * Resolves with the questions that were answered with no; with null where none was answered with yes, or
 * Ctrl-C was pressed. Enter alone means no. Throws OPTION_INVALID where nobody can be asked.
 */
export async function askForLeave(output: Output, plan: Plan, canAsk: boolean): Promise<Set<string> | null> {
  if (!canAsk) {
    const count = plan.steps.filter(({ change }) => change).length
    throw usageError(
      `${count} changes are to be made, and without a terminal nobody can be asked; nothing was changed`,
      'add --yes, or look first with --dry-run',
    )
  }
  for (const step of plan.steps) await showStep(output, plan.root, step)
  // Loaded here: the other commands need no prompts.
  const { default: confirm } = await import('@inquirer/confirm')
  const declined = new Set<string>()
  const questions = byQuestion(plan.steps)
  for (const [question, steps] of questions) {
    for (const step of steps) {
      if (step.action === 'change') await showDiff(output, plan.root, step)
    }
    const answer = await confirm({ message: question, default: false }).catch(asCancelled)
    if (answer === null) return null
    if (!answer) declined.add(question)
  }
  return questions.size > 0 && declined.size === questions.size ? null : declined
}

function byQuestion(steps: readonly Step[]): Map<string, Step[]> {
  const groups = new Map<string, Step[]>()
  for (const step of steps) {
    if (step.question === null || step.change === null) continue
    groups.set(step.question, [...(groups.get(step.question) ?? []), step])
  }
  return groups
}

/** Ctrl-C rejects; shells know 130. */
function asCancelled(error: unknown): null {
  if (!(error instanceof Error) || error.name !== 'ExitPromptError') throw error
  process.exitCode = 130
  return null
}
