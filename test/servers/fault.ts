/** What is wrong with a measurement, in one line. */
export interface Fault {
  readonly what: string
  /** It was only too slow, which may be the machine's fault. All else is wrong, however often it is measured. */
  readonly isLate: boolean
}

export function late(what: string): Fault {
  return { what, isLate: true }
}

export function wrong(what: string): Fault {
  return { what, isLate: false }
}
