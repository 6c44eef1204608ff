import { crc32, deflateSync } from 'node:zlib'
import type { Page } from 'playwright-core'

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const COLORS = 256

/** A picture of the whole page as a PNG of at most 256 colors: of a calm page less than half of what the browser makes. */
export async function photograph(page: Page): Promise<Buffer> {
  const { width, height, pixels } = await read(page, await page.screenshot({ fullPage: true }))
  const palette = frequentColors(pixels)
  const nearest = nearestOf(palette)
  // Each row begins with its filter: none.
  const rows = Buffer.alloc((width + 1) * height)
  for (let i = 0; i < width * height; i += 1) {
    rows[i + Math.floor(i / width) + 1] = nearest(pixels.readUInt32BE(i * 4))
  }
  const size = Buffer.alloc(13)
  size.writeUInt32BE(width, 0)
  size.writeUInt32BE(height, 4)
  size.set([8, 3], 8) // 8 bits a pixel, which are a place in the palette
  const colors = Buffer.from(palette.flatMap(channels))
  const parts = [chunk('IHDR', size), chunk('PLTE', colors), chunk('IDAT', deflateSync(rows, { level: 9 }))]
  return Buffer.concat([SIGNATURE, ...parts, chunk('IEND', Buffer.alloc(0))])
}

interface Pixels {
  width: number
  height: number
  /** Four bytes each: red, green, blue, opacity. */
  pixels: Buffer
}

/** What can decode a PNG is at hand: a page without a policy against it. */
async function read(page: Page, png: Buffer): Promise<Pixels> {
  const reader = await page.context().newPage()
  const { width, height, text } = await reader.evaluate<{
    width: number
    height: number
    text: string
  }>(`(async () => {
    const bytes = Uint8Array.from(atob('${png.toString('base64')}'), (letter) => letter.charCodeAt(0))
    const picture = await createImageBitmap(new Blob([bytes]))
    const { width, height } = picture
    const pen = new OffscreenCanvas(width, height).getContext('2d')
    pen.drawImage(picture, 0, 0)
    const { data } = pen.getImageData(0, 0, width, height)
    let text = ''
    for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192))
    return { width, height, text: btoa(text) }
  })()`)
  await reader.close()
  return { width, height, pixels: Buffer.from(text, 'base64') }
}

function frequentColors(pixels: Buffer): number[] {
  const counts = new Map<number, number>()
  for (let i = 0; i < pixels.length; i += 4) {
    const color = pixels.readUInt32BE(i)
    counts.set(color, (counts.get(color) ?? 0) + 1)
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a)
  return sorted.slice(0, COLORS).map(([color]) => color)
}

/** A function that gives the place of the color in the palette that looks most like one. */
function nearestOf(palette: readonly number[]): (color: number) => number {
  const known = new Map(palette.map((color, place) => [color, place]))
  return (color) => {
    const place = known.get(color) ?? closest(palette, color)
    known.set(color, place)
    return place
  }
}

function closest(palette: readonly number[], color: number): number {
  const wanted = channels(color)
  const distances = palette.map((other) =>
    channels(other).reduce((sum, value, i) => sum + (value - (wanted[i] ?? 0)) ** 2, 0),
  )
  return distances.indexOf(Math.min(...distances))
}

function channels(color: number): number[] {
  return [color >>> 24, (color >>> 16) & 255, (color >>> 8) & 255]
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type), data])
  const frame = Buffer.alloc(4 + named.length + 4)
  frame.writeUInt32BE(data.length, 0)
  frame.set(named, 4)
  frame.writeUInt32BE(crc32(named), 4 + named.length)
  return frame
}
