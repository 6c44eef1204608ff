// Milliseconds. A file without imports, for then the bundle has the numbers in their places, and no names of them.

/** Hellos leave half a second apart. In one piece, or much later: something held them back. */
export const TOGETHER = 100
export const APART = 200
export const LATE = 1500

/** Until what should have come is missed: a first byte, or a second hello; and the first hello. */
export const MISSED = 2000
export const NO_HELLO = 5000

/** What a probe may take. */
export const PROBE = 3000

/** What proves a connection to be one, even if it brought nothing. */
export const PROOF = 10_000

/** Heartbeats that may be missing until a line is dead: on a timer, and when the page comes back to life. */
export const PATIENCE = 2.5
export const IMPATIENCE = 1.25
/** No line is dead sooner: heartbeats may be shorter than what a busy page takes. */
export const LEAST = 1000
