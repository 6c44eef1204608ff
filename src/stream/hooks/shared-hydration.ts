import { AsyncResource } from 'node:async_hooks'
import type { Event } from '../../event.js'
import { formatId } from '../../event.js'
import type { HookTools } from '../../hook-options.js'
import type { Row } from '../../payload/engine.js'
import type { Shape } from '../frame.js'
import { adopt, type HookCall } from './hook-call.js'
import { type Hydrated, type HydrateSite, hydrateRow } from './hydrate.js'
import { frameOf, type HydratedFrame, type Hydrator } from './hydrator.js'

/** A hook whose answer is for everybody. */
export type SharedHook = (event: Event, context: null, tools: HookTools) => unknown

/** What hooks said of events just now, for all streams of one instance. */
export interface SharedHydrations {
  /** A hydrator of one stream. Streams with the same function share its calls, and the frames of one shape. */
  hydrator(hook: SharedHook, shape: Shape, site: HydrateSite): Hydrator
  /** Forgets everything. Calls that streams wait for are theirs to cancel. */
  close(): void
}

/**
 * How long an answer is kept, in milliseconds: one to two times this. Live streams take an event in the same turn,
 * and those whose sockets were full a moment ago within a second; who comes later gets the row as it is by then.
 */
const KEPT = 1000

/**
 * Events that a stream asks for at a time: asked one after another, a query of 10 ms could not keep up with a hundred
 * events a second, however few of its answers each stream waits for.
 */
const AHEAD = 16

/** Of one hook; the oldest answers go first. Two pages of the tailer's rows, or 8 MiB of them. */
const MOST_ANSWERS = 2000
const MOST_BYTES = 8 * 1024 * 1024

/** Where hooks are called whose answer is for all: in no client's asynchronous context, whoever asks first. */
const APART = new AsyncResource('SharedHook')

interface Answer {
  readonly row: Row
  readonly epoch: string
  /** Null while the hook runs. */
  hydrated: Hydrated | null
  call: HookCall | null
  readonly frames: Map<Shape, HydratedFrame>
  readonly waiters: Set<() => void>
  /** True from the first sweep on that finds it answered. */
  old: boolean
}

interface Memory {
  readonly answers: Map<string, Answer>
  bytes: number
  /** What was joined last: streams of the same keys join the same frames, one right after another. */
  joined: { readonly frames: readonly Buffer[]; readonly whole: Buffer } | null
}

export function createSharedHydrations(): SharedHydrations {
  const memories = new Map<SharedHook, Memory>()
  let timer: NodeJS.Timeout | null = null

  function memoryOf(hook: SharedHook): Memory {
    const known = memories.get(hook)
    if (known) return known
    const memory: Memory = { answers: new Map(), bytes: 0, joined: null }
    memories.set(hook, memory)
    timer ??= setInterval(sweep, KEPT).unref()
    return memory
  }

  function sweep(): void {
    for (const [hook, memory] of memories) {
      memory.joined = null
      for (const [id, answer] of memory.answers) {
        if (answer.old) forget(memory, id, answer)
        answer.old = answer.hydrated !== null
      }
      if (memory.answers.size === 0) memories.delete(hook)
    }
    if (memories.size === 0) stop()
  }

  function stop(): void {
    if (timer) clearInterval(timer)
    timer = null
  }

  return {
    hydrator: (hook, shape, site) => {
      const leaves = new Set<() => void>()
      return {
        ahead: AHEAD,
        ask: (row, epoch, onFrame) => {
          const memory = memoryOf(hook)
          const answer = answerFor(memory, hook, row, epoch, site)
          if (answer.hydrated) return onFrame(shapedFrame(answer, shape))
          const give = () => {
            leaves.delete(leave)
            onFrame(shapedFrame(answer, shape))
          }
          const leave = () => abandon(memory, answer, give)
          answer.waiters.add(give)
          leaves.add(leave)
        },
        join: (frames) => join(memoryOf(hook), frames),
        cancel: () => {
          for (const leave of leaves) leave()
          leaves.clear()
        },
      }
    },
    close: () => {
      memories.clear()
      stop()
    },
  }
}

function answerFor(memory: Memory, hook: SharedHook, row: Row, epoch: string, site: HydrateSite): Answer {
  const id = formatId(epoch, row.n)
  const known = memory.answers.get(id)
  if (known) return known
  const answer: Answer = {
    row,
    epoch,
    hydrated: null,
    call: null,
    frames: new Map(),
    waiters: new Set(),
    old: false,
  }
  memory.answers.set(id, answer)
  answer.call = hydrateRow(
    (event, tools) => APART.runInAsyncScope(() => adopt(hook(event, null, tools))),
    row,
    epoch,
    site,
    (hydrated) => {
      answer.hydrated = hydrated
      memory.bytes += sizeOf(hydrated)
      makeRoom(memory)
      for (const waiter of answer.waiters) waiter()
      answer.waiters.clear()
    },
  )
  return answer
}

function makeRoom(memory: Memory): void {
  if (memory.answers.size <= MOST_ANSWERS && memory.bytes <= MOST_BYTES) return
  for (const [id, answer] of memory.answers) {
    if (answer.hydrated) forget(memory, id, answer)
    if (memory.answers.size <= MOST_ANSWERS && memory.bytes <= MOST_BYTES) return
  }
}

function forget(memory: Memory, id: string, answer: Answer): void {
  memory.answers.delete(id)
  if (answer.hydrated) memory.bytes -= sizeOf(answer.hydrated)
}

/** The last one who waits takes the call with it. */
function abandon(memory: Memory, answer: Answer, waiter: () => void): void {
  if (!answer.waiters.delete(waiter) || answer.waiters.size > 0 || answer.hydrated) return
  answer.call?.abandon()
  forget(memory, formatId(answer.epoch, answer.row.n), answer)
}

function shapedFrame(answer: Answer, shape: Shape): HydratedFrame {
  const known = answer.frames.get(shape)
  if (known) return known
  const frame = frameOf(answer.row, answer.epoch, shape, answer.hydrated ?? 'failed')
  answer.frames.set(shape, frame)
  return frame
}

function join(memory: Memory, frames: readonly Buffer[]): Buffer {
  if (frames.length === 1 && frames[0]) return frames[0]
  const { joined } = memory
  if (joined?.frames.length === frames.length && joined.frames.every((frame, i) => frame === frames[i])) {
    return joined.whole
  }
  const whole = Buffer.concat(frames)
  memory.joined = { frames, whole }
  return whole
}

function sizeOf(hydrated: Hydrated): number {
  return typeof hydrated === 'string' ? 0 : hydrated.payload.length
}
