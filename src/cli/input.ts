import { FileSignalError } from '../index.js'

/** One line of the input, without its line break, and its number from 1. */
export interface Line {
  readonly number: number
  readonly bytes: Buffer
}

/** More than any payload may have, so that a file given by mistake does not fill the memory. */
const LONGEST = 16 * 1024 * 1024
const LINE_FEED = 0x0a
const SPACE = 0x20

/** All of the input. Throws PAYLOAD_TOO_LARGE beyond 16 MiB. */
export async function readAll(input: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of input) {
    size += chunk.length
    if (size > LONGEST) throw tooLong('stdin')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * The lines of the input that are not blank, in the groups in which they arrive; it is read no further
 * than is asked for.
 *
 * Throws PAYLOAD_TOO_LARGE for a line above 16 MiB.
 */
export async function* readLines(input: AsyncIterable<Buffer>): AsyncGenerator<Line[], void> {
  let number = 0
  let begun: Buffer[] = []
  let size = 0
  for await (const chunk of input) {
    const lines: Line[] = []
    let from = 0
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      number += 1
      const bytes = Buffer.concat([...begun, chunk.subarray(from, at)])
      if (!isBlank(bytes)) lines.push({ number, bytes })
      begun = []
      size = 0
      from = at + 1
    }
    size += chunk.length - from
    if (size > LONGEST) throw tooLong(`line ${number + 1}`)
    if (from < chunk.length) begun.push(chunk.subarray(from))
    if (lines.length > 0) yield lines
  }
  const bytes = Buffer.concat(begun)
  if (!isBlank(bytes)) yield [{ number: number + 1, bytes }]
}

/**
 * Reads JSON. Throws PAYLOAD_INVALID for what is not JSON, or not UTF-8: that would be stored as
 * something else, without a word.
 */
export function parseJson(text: string | Buffer, place: string): unknown {
  try {
    return JSON.parse(
      typeof text === 'string' ? text : new TextDecoder('utf-8', { fatal: true }).decode(text),
    )
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new FileSignalError('PAYLOAD_INVALID', `${place} is not JSON (${why})`, {
      cause,
      remedy: `write JSON, with text in double quotes: '"hello"'`,
    })
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte <= SPACE)
}

function tooLong(place: string): FileSignalError {
  return new FileSignalError('PAYLOAD_TOO_LARGE', `${place} is longer than ${LONGEST} bytes`)
}
