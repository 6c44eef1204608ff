/**
 * The wall clock of this process, which can be set: import this before all that reads it. The monotonic clock goes on
 * as it is, like that of a machine whose administrator sets the time.
 */
let shift = 0
const Real = globalThis.Date

class SettableDate extends Real {
  constructor(...given: unknown[]) {
    if (given.length === 0) super(Real.now() + shift)
    else super(...(given as [number]))
  }
  static override now(): number {
    return Real.now() + shift
  }
}

globalThis.Date = SettableDate as DateConstructor

/** Sets the clock to the true time plus so many milliseconds. */
export function setClock(ms: number): void {
  shift = ms
}
