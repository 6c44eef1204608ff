import { make, write } from './dom.js'

/** One cell of a table. */
export interface Cell {
  readonly text: string
  /** What explains it, below. */
  readonly more?: string
  readonly className?: string
  /** The whole text, where `text` is likely to be cut. */
  readonly title?: string
}

/** Shows `rows` in the body of a table that has a head: rows are reused, so that a selection and the scroll place stay. */
export function fill(table: HTMLTableElement, rows: readonly (readonly Cell[])[]): void {
  const body = table.tBodies[0] as HTMLTableSectionElement
  while (body.rows.length > rows.length) body.deleteRow(-1)
  for (const [index, cells] of rows.entries()) {
    const row = body.rows[index] ?? addRow(body, cells.length)
    for (const [column, cell] of cells.entries()) show(row.cells[column] as HTMLTableCellElement, cell)
  }
}

/** The first cell of a row names it. */
function addRow(body: HTMLTableSectionElement, columns: number): HTMLTableRowElement {
  const row = body.insertRow()
  for (let column = 0; column < columns; column += 1) {
    const cell = make(column === 0 ? 'th' : 'td')
    if (column === 0) cell.scope = 'row'
    row.append(cell)
  }
  return row
}

function show(element: HTMLTableCellElement, { text, more = '', className = '', title = '' }: Cell): void {
  if (more) explain(element, text, more)
  else write(element, text)
  if (element.className !== className) element.className = className
  if (element.title !== title) element.title = title
}

function explain(element: HTMLTableCellElement, text: string, more: string): void {
  if (element.textContent === `${text} ${more}`) return
  element.replaceChildren(`${text} `, make('small', more))
}
