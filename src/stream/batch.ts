import type { Row } from '../payload/engine.js'
import { isTold, type Over } from './ends.js'
import { encodeFrame, type Shape } from './frame.js'

/** Some rows of one page for one set of keys, in order. */
export interface Batch {
  readonly epoch: string
  /** The rows that are events. */
  readonly events: readonly Row[]
  /** What is sent: the events, and ends that tell a reason. */
  readonly sent: readonly Row[]
  /** All rows, where some of them end a key; else null. */
  readonly withEnds: readonly Row[] | null
  /** What is sent, as one text on the wire, encoded at the first call. */
  bytes(): Buffer
}

/** `frame` encodes one row; streams of one shape share it, and with it what it remembers. */
export function createBatch(epoch: string, rows: readonly Row[], frame: (row: Row) => string): Batch {
  const ends = rows.some((row) => row.kind === 'end')
  const events = ends ? rows.filter((row) => row.kind === 'event') : rows
  const sent = ends ? rows.filter(isTold) : rows
  let encoded: Buffer | null = null
  return {
    epoch,
    events,
    sent,
    withEnds: ends ? rows : null,
    bytes: () => {
      encoded ??= Buffer.from(sent.map(frame).join(''))
      return encoded
    },
  }
}

/** What a reader is told of the ends of its keys; null where they ended well. */
export function lastBatch({ at, told }: Pick<Over, 'at' | 'told'>, shape: Shape): Batch | null {
  return told.length === 0 ? null : createBatch(at.epoch, told, (row) => encodeFrame(row, at.epoch, shape))
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
