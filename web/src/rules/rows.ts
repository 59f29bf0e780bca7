/**
 * How what is shown lies in rows, and where the arrow keys lead. Every row knows its height beforehand, so that of ten
 * thousand cards only those in sight need to exist.
 */

import type { Group, View } from './view'

/** A card in the grid: the id of an image, or `file:` and the key of a file on its way. */
export type Cell = string

/** A line of the grid. `key` is unique and stays while the row means the same. */
export type Row =
  | { readonly kind: 'group'; readonly key: string; readonly group: Group; readonly isOpen: boolean }
  | { readonly kind: 'cards'; readonly key: string; readonly cells: readonly Cell[] }

/** How high rows are, in pixels, with what lies between them and the next. */
export interface RowSizes {
  readonly cards: number
  readonly group: number
}

/** What a key asks for. */
export type Move = 'left' | 'right' | 'up' | 'down' | 'row_start' | 'row_end' | 'start' | 'end' | 'page_up' | 'page_down'

/** The cell of a file on its way. */
export function fileCell(key: string): Cell {
  return `file:${key}`
}

/** The key of the file that a cell stands for, or null when it stands for an image. */
export function fileOf(cell: Cell): string | null {
  return cell.startsWith('file:') ? cell.slice('file:'.length) : null
}

/** The key of a group's own row. */
export function groupCell(group: Group): Cell {
  return `group:${group.key}`
}

/** As many columns as have room for cards of this width. */
export function columnsFor(width: number, gap: number, cardWidth: number): number {
  return Math.max(1, Math.floor((width + gap) / (cardWidth + gap)))
}

/** Lays a view in rows. Files on their way share their first row with images, so that becoming one moves nothing. */
export function layRows(view: View, columns: number, closed: ReadonlySet<string>): Row[] {
  const files = view.files.map(fileCell)
  if (view.groups === null) {
    return cardRows(view.filesFirst ? [...files, ...view.order] : [...view.order, ...files], columns, '')
  }
  const grouped = view.groups.flatMap((group): Row[] => {
    const isOpen = !closed.has(group.key)
    const header: Row = { kind: 'group', key: groupCell(group), group, isOpen }
    return isOpen ? [header, ...cardRows(group.images, columns, group.key)] : [header]
  })
  const ungrouped = cardRows(files, columns, 'files')
  return view.filesFirst ? [...ungrouped, ...grouped] : [...grouped, ...ungrouped]
}

/** How high a row is, in pixels. */
export function heightOf(row: Row, sizes: RowSizes): number {
  return row.kind === 'group' ? sizes.group : sizes.cards
}

/** How high rows are together, in pixels. */
export function heightOfAll(rows: readonly Row[], sizes: RowSizes): number {
  return rows.reduce((sum, row) => sum + heightOf(row, sizes), 0)
}

/** Where a cell is, a group's own row counting as one cell. Null when it is not shown. */
export function locate(rows: readonly Row[], cell: Cell): { row: number; column: number } | null {
  for (const [row, line] of rows.entries()) {
    if (line.kind === 'group' ? line.key === cell : line.cells.includes(cell)) {
      return { row, column: line.kind === 'group' ? 0 : line.cells.indexOf(cell) }
    }
  }
  return null
}

/** The cell at a place, or the nearest one of its row. */
export function cellAt(rows: readonly Row[], row: number, column: number): Cell | null {
  const line = rows[row]
  if (line === undefined) return null
  return line.kind === 'group' ? line.key : (line.cells[Math.min(column, line.cells.length - 1)] ?? null)
}

/** Where a move from a cell leads. `pageRows`: as many rows are in sight. Without a cell to start from, the first one. */
export function moved(rows: readonly Row[], from: Cell | null, move: Move, pageRows: number): Cell | null {
  const at = from === null ? null : locate(rows, from)
  if (at === null) return cellAt(rows, 0, 0)
  const last = rows.length - 1
  const { row, column } = at
  const width = widthOf(rows[row])
  switch (move) {
    case 'left':
      return column > 0 ? cellAt(rows, row, column - 1) : (cellAt(rows, row - 1, Number.MAX_SAFE_INTEGER) ?? from)
    case 'right':
      return column < width - 1 ? cellAt(rows, row, column + 1) : (cellAt(rows, row + 1, 0) ?? from)
    case 'up':
      return cellAt(rows, row - 1, column) ?? from
    case 'down':
      return cellAt(rows, row + 1, column) ?? from
    case 'page_up':
      return cellAt(rows, Math.max(0, row - pageRows), column)
    case 'page_down':
      return cellAt(rows, Math.min(last, row + pageRows), column)
    case 'row_start':
      return cellAt(rows, row, 0)
    case 'row_end':
      return cellAt(rows, row, width - 1)
    case 'start':
      return cellAt(rows, 0, 0)
    case 'end':
      return cellAt(rows, last, Number.MAX_SAFE_INTEGER)
  }
}

function cardRows(cells: readonly Cell[], columns: number, prefix: string): Row[] {
  const rows: Row[] = []
  for (let begin = 0; begin < cells.length; begin += columns) {
    // Named by its place: what is inserted before it changes its cards and leaves the row.
    rows.push({ kind: 'cards', key: `${prefix}/${begin / columns}`, cells: cells.slice(begin, begin + columns) })
  }
  return rows
}

function widthOf(row: Row | undefined): number {
  return row?.kind === 'cards' ? row.cells.length : 1
}
