import type { Row } from '../payload/engine.js'
import { encodeFrame, type Shape } from './frame.js'

/** Some rows of one page for one set of keys, in order. */
export interface Batch {
  readonly epoch: string
  /** What is sent: the rows that are events. */
  readonly events: readonly Row[]
  /** All rows, where some of them end a key; else null. */
  readonly withEnds: readonly Row[] | null
  /** The events as one text on the wire, encoded at the first call. */
  bytes(): Buffer
}

/** `frame` encodes one row; streams of one shape share it, and with it what it remembers. */
export function createBatch(epoch: string, rows: readonly Row[], frame: (row: Row) => string): Batch {
  const ends = rows.some((row) => row.kind === 'end')
  const events = ends ? rows.filter((row) => row.kind === 'event') : rows
  let encoded: Buffer | null = null
  return {
    epoch,
    events,
    withEnds: ends ? rows : null,
    bytes: () => {
      encoded ??= Buffer.from(events.map(frame).join(''))
      return encoded
    },
  }
}

/** Encoders for the rows of one page: each row once per shape, however many groups of streams get it. */
export function createFrames(epoch: string): (shape: Shape) => (row: Row) => string {
  const shapes = new Map<Shape, (row: Row) => string>()
  return (shape) => {
    const known = shapes.get(shape)
    if (known) return known
    const frames = new Map<Row, string>()
    const frame = (row: Row) => {
      const text = frames.get(row) ?? encodeFrame(row, epoch, shape)
      frames.set(row, text)
      return text
    }
    shapes.set(shape, frame)
    return frame
  }
}
