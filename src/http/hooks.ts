import { AsyncResource } from 'node:async_hooks'
import type { HookPlan } from '../hook-options.js'
import { adopt } from '../stream/hooks/hook-call.js'
import type { Hooks } from '../stream/hooks/hooks.js'

/**
 * The hooks of one stream: null where it has none, so that its request is not kept. A function that answers for
 * all stays the same one, and knows no request.
 *
 * Events come in the asynchronous context of whoever woke the one reader: a hook is called in that of its own request,
 * or an AsyncLocalStorage would show it another client's.
 */
export function bindHooks<Context>(plan: HookPlan<Context> | null, contextOf: () => Context): Hooks | null {
  if (!plan) return null
  const { each, once, onLoop, poll, timeout } = plan
  if (!each && !onLoop) return { given: plan, each, once, onLoop, poll, timeout }
  const context = contextOf()
  return {
    given: plan,
    each: each && AsyncResource.bind((event, tools) => adopt(each(event, context, tools))),
    once,
    onLoop: onLoop && ((tools) => onLoop(context, tools)),
    poll,
    timeout,
  }
}
