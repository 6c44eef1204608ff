/** The beginning of a text, of at most `bytes` bytes as UTF-8, and no half characters. */
export function cutText(text: string, bytes: number): string {
  if (text.length * 3 <= bytes) return text
  const encoded = Buffer.from(text)
  if (encoded.length <= bytes) return text
  let end = Math.max(0, bytes)
  while (end > 0 && isContinuation(encoded[end])) end -= 1
  return encoded.toString('utf8', 0, end)
}

/** A byte of a character that has begun before it. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
