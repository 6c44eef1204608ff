/** A byte that stands once in each payload and nowhere else on the wire: counting it counts events. */
export const MARK = '~'.charCodeAt(0)

const SIZE = 170
const FILLER = 'x'.repeat(SIZE - JSON.stringify({ at: clock(), text: '~' }).length)

/** A payload of 170 bytes as JSON that says when it was made. */
export function createPayload() {
  return { at: clock(), text: `~${FILLER}` }
}

/** Microseconds of a clock that all processes of this machine share. */
export function clock() {
  return Number(process.hrtime.bigint() / 1000n)
}
