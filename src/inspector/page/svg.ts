const SVG = 'http://www.w3.org/2000/svg'

/** A new element of a drawing. What it looks like is the style sheet's business. */
export function draw(name: string, attributes: Readonly<Record<string, string | number>> = {}): SVGElement {
  const made = document.createElementNS(SVG, name) as SVGElement
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value))
  return made
}
