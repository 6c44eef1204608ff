/** One change of the disk, which happens whole or not at all. Paths are absolute. */
export type Change =
  | { readonly kind: 'make-folder'; readonly path: string; readonly mode: number }
  /** `before` is what must still stand there, null for nothing; only then `mode` counts. */
  | {
      readonly kind: 'write'
      readonly path: string
      readonly before: Buffer | null
      readonly after: Buffer
      readonly mode: number
    }
  /** Only if it still holds what it held; `before` null: whatever it holds. */
  | { readonly kind: 'delete'; readonly path: string; readonly before: Buffer | null }
  /** With these files, if it holds no others; else it stays, and they in it. `before` as for `delete`. */
  | {
      readonly kind: 'remove-folder'
      readonly path: string
      readonly files: readonly { readonly path: string; readonly before: Buffer | null }[]
    }

/** What is done, or not, about one path. */
export interface Step {
  readonly action: 'create' | 'change' | 'remove' | 'unchanged' | 'kept'
  readonly path: string
  /** In a few words for the user: what it is for, or why it stays. */
  readonly about: string
  readonly change: Change | null
  /** What the user is asked before; steps with the same question go together. Null: asks nobody. */
  readonly question: string | null
  /** Whether the lines around a change may be shown: those of `.env` hold passwords. */
  readonly isSecret: boolean
}

/** All that will happen, in order, every precondition checked. */
export interface Plan {
  readonly root: string
  readonly steps: readonly Step[]
}

export function createStep(
  action: Step['action'],
  path: string,
  about: string,
  rest: Partial<Pick<Step, 'change' | 'question' | 'isSecret'>> = {},
): Step {
  return { action, path, about, change: null, question: null, isSecret: false, ...rest }
}

/** Where a file is written before it takes its place; the same at each run, so that the next one finds what a killed one left. */
export function temporaryPath(path: string): string {
  return `${path}.file-signal-new`
}
