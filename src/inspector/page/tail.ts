import type { RowShown, TailShown } from '../shown.js'
import { find, make, write } from './dom.js'
import { clock, count, counted, size } from './numbers.js'

/** The newest rows of the store, newest first, as they come. */
export interface Tail {
  take(piece: TailShown): void
}

/** Rows that the page keeps and shows; older ones are in the store. */
const KEPT = 300

/** A row and the text that a filter looks at. */
interface Kept {
  readonly row: RowShown
  readonly text: string
  /** Made when it is first shown. */
  element: HTMLTableRowElement | null
}

/** Brings the filter and the pause button to life. */
export function createTail(): Tail {
  const body = find<HTMLTableElement>('rows').tBodies[0] as HTMLTableSectionElement
  const note = find('tail-note')
  const empty = find('empty')
  const filter = find<HTMLInputElement>('filter')
  const pause = find<HTMLButtonElement>('pause')
  const known = new Set<string>()
  let kept: Kept[] = []
  let held: Kept[] | null = null
  let skipped = 0
  let isAble = true

  function take({ able, rows, skipped: more }: TailShown): void {
    isAble = able
    const fresh = rows.filter(({ id }) => !known.has(id))
    if (known.size > 0) skipped += more
    for (const row of fresh) {
      known.add(row.id)
      kept.push({ row, text: searchable(row), element: null })
    }
    kept = kept.slice(-KEPT)
    if (known.size > 4 * KEPT) forget()
    show()
  }

  function forget(): void {
    known.clear()
    for (const { row } of kept) known.add(row.id)
  }

  function show(): void {
    const all = held ?? kept
    const words = filter.value.toLowerCase().split(/\s+/)
    const found = all.filter(({ text }) => words.every((word) => text.includes(word)))
    const wanted = new Set(found.map(elementOf).reverse())
    // In place, so that a row that stays keeps its selection.
    for (const old of [...body.rows]) if (!wanted.has(old)) old.remove()
    for (const [index, row] of [...wanted].entries()) {
      if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null)
    }
    write(note, describe(found.length, all.length))
    write(empty, isAble ? emptyText(all.length) : 'This payload engine cannot show its newest events.')
    empty.hidden = found.length > 0
  }

  function describe(found: number, all: number): string {
    const parts: string[] = []
    if (filter.value.trim() !== '') parts.push(`${count(found)} of ${counted(all, 'event')}`)
    if (held) parts.push(`paused, ${count(kept.filter((one) => !held?.includes(one)).length)} new`)
    if (skipped > 0) parts.push(`${count(skipped)} came too fast to be shown`)
    return parts.join(' · ')
  }

  filter.addEventListener('input', show)
  find('tail-tools').addEventListener('submit', (event) => event.preventDefault())
  pause.addEventListener('click', () => {
    held = held ? null : [...kept]
    pause.setAttribute('aria-pressed', String(held !== null))
    write(pause, held ? 'Go on' : 'Pause')
    show()
  })
  return { take }
}

function emptyText(all: number): string {
  return all === 0
    ? 'Nothing yet. What is signalled from now on appears here.'
    : 'Nothing that the filter lets through.'
}

function searchable({ key, event, payload }: RowShown): string {
  return `${key} ${event ?? ''} ${payload}`.toLowerCase()
}

function elementOf(one: Kept): HTMLTableRowElement {
  one.element ??= build(one.row)
  return one.element
}

function build({ id, key, event, kind, createdAt, payload, bytes }: RowShown): HTMLTableRowElement {
  const row = make('tr')
  const time = make('td', clock(createdAt), 'time')
  time.title = `id ${id}`
  const name = make('th', key)
  name.scope = 'row'
  const what = kind === 'end' ? make('td', '[DONE]', 'done') : make('td', event ?? '', 'event')
  const text = make('td', bytes === null ? payload : `${payload}… (${size(bytes)})`, 'payload')
  row.append(time, name, what, text)
  return row
}
