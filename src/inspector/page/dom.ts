/** The element of the page with this id; it is there, or the page is broken. */
export function find<E extends Element = HTMLElement>(id: string): E {
  const element = document.getElementById(id)
  if (!element) throw new Error(`the page has no #${id}`)
  return element as unknown as E
}

/** Shows a text where it differs: what does not change is not touched, and not laid out again. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** Says by a word what colour and shape a mark has; the text beside it says the same. */
export function mark(element: HTMLElement, value: 'good' | 'wait' | 'bad'): void {
  if (element.dataset.mark !== value) element.dataset.mark = value
}

/** A new element with a text, which is never taken for HTML. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  text = '',
  className = '',
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text) element.textContent = text
  return element
}
