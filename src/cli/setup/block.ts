import { createHash } from 'node:crypto'

/** A block of ours in a text: where it stands, and what became of it. */
export interface FoundBlock {
  /** `intact`: as it was written. `edited`: its lines were changed. `broken`: a marker is missing or there twice. */
  readonly state: 'intact' | 'edited' | 'broken'
  /** From the beginning of the first marker to the end of the last one's line break, in characters. */
  readonly start: number
  readonly end: number
  /** Line numbers of the two, from 1. */
  readonly lines: readonly [first: number, last: number]
  /** What stands between the markers, with LF. */
  readonly body: string
}

/** Bytes as characters: a file in any encoding keeps what it holds. */
export const BOM = '\xef\xbb\xbf'
const MARKER = /(?<=^|^\xef\xbb\xbf)[ \t]*#[ \t]*(BEGIN|END) file-signal(?![\w-]).*$/gm
/** As in "# BEGIN WordPress" and "# DO NOT REMOVE. CLOUDLINUX PASSENGER CONFIGURATION BEGIN". */
const OTHER_MARKER = /^[ \t]*#.*?\b(BEGIN|END)\b(?! file-signal).*$/gm
const CHECKSUM = / sha256:([0-9a-f]{16})\b/

/**
 * Puts a body between markers. The first one carries a checksum of the body, so that a block tells by
 * itself whether somebody has edited it. `body` has LF and ends with one, as the result.
 */
export function renderBlock(body: string, version: string): string {
  const first = `# BEGIN file-signal ${version} sha256:${checksum(body)} (to take it back: file-signal uninstall)`
  return `${first}\n${body}# END file-signal\n`
}

/** The block of ours in a text, or null. Line ends do not count: an editor may have changed them all. */
export function findBlock(text: string): FoundBlock | null {
  const markers = [...text.matchAll(MARKER)]
  const [first, last] = markers
  if (!first) return null
  const start = first.index
  const isPair = markers.length === 2 && first[1] === 'BEGIN' && last?.[1] === 'END'
  const end = endOfLine(text, (markers.at(-1) ?? first).index)
  const lines = [lineOf(text, start), lineOf(text, (markers.at(-1) ?? first).index)] as const
  if (!isPair) return { state: 'broken', start, end, lines, body: '' }
  const body = text.slice(endOfLine(text, start), last.index).replaceAll('\r\n', '\n')
  const isIntact = CHECKSUM.exec(first[0])?.[1] === checksum(body)
  return { state: isIntact ? 'intact' : 'edited', start, end, lines, body }
}

/**
 * Puts a block to an index of the text, or into the place of an older one, with the line ends that the text has.
 */
export function withBlock(text: string, block: string, older: FoundBlock | null, at = topOf(text)): string {
  const lines = usesCrlf(text) ? block.replaceAll('\n', '\r\n') : block
  if (older) return text.slice(0, older.start) + lines + text.slice(older.end)
  return text.slice(0, at) + lines + text.slice(at)
}

/**
 * Where a block goes unless something speaks against it: to the top, behind a BOM.
 *
 * At the top, because a RewriteRule above it that is marked as the last would hide ours; because no panel's
 * own markers can lie around it there; and because taking it back restores every byte that follows.
 */
export function topOf(text: string): number {
  return text.startsWith(BOM) ? BOM.length : 0
}

/**
 * The lines of the markers between which another program, such as a panel, keeps what it writes, where our block
 * lies between them; else null.
 */
export function markersAround(
  text: string,
  block: FoundBlock,
): readonly [first: number, last: number] | null {
  const others = [...text.matchAll(OTHER_MARKER)]
  const before = others.filter(({ index }) => index < block.start).at(-1)
  const after = others.find(({ index }) => index >= block.end)
  const isBetween = before?.[1] === 'BEGIN' && after?.[1] === 'END'
  return isBetween ? [lineOf(text, before.index), lineOf(text, after.index)] : null
}

export function withoutBlock(text: string, block: FoundBlock): string {
  return text.slice(0, block.start) + text.slice(block.end)
}

/** Short: it is to notice a changed line, not an attack. */
function checksum(body: string): string {
  return createHash('sha256').update(body, 'latin1').digest('hex').slice(0, 16)
}

function usesCrlf(text: string): boolean {
  const all = text.split('\n').length - 1
  return all > 0 && (text.split('\r\n').length - 1) * 2 > all
}

function endOfLine(text: string, from: number): number {
  const at = text.indexOf('\n', from)
  return at === -1 ? text.length : at + 1
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}
