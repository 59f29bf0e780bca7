/** What the keys mean in the grid. */

import type { Ref } from 'vue'
import { locate, moved, type Cell, type Move, type Row } from '../rules/rows'
import type { Group } from '../rules/view'
import { cellOf } from './useGridFocus'

const MOVES: Readonly<Record<string, Move>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'row_start',
  End: 'row_end',
  PageUp: 'page_up',
  PageDown: 'page_down',
}

/** What keys may ask for, and what has to be known to tell. */
export interface GridDeeds {
  readonly rows: Readonly<Ref<readonly Row[]>>
  /** As many rows are in sight. */
  pageRows(): number
  /** Whether a cell stands for an image, and not for a file on its way. */
  isImage(cell: Cell): boolean
  isAnyChosen(): boolean
  focus(cell: Cell): void
  open(cell: Cell): void
  toggle(cell: Cell): void
  extend(cell: Cell): void
  chooseAll(): void
  clear(): void
  askDelete(): void
  turn(group: Group): void
}

/** Gives what the grid does with a `keydown`. */
export function useGridKeys(deeds: GridDeeds): (event: KeyboardEvent) => void {
  /** Says whether the key meant something here. */
  function handle(event: KeyboardEvent, cell: Cell): boolean {
    const { key, shiftKey } = event
    const isWide = event.ctrlKey || event.metaKey
    const move = isWide && key === 'Home' ? 'start' : isWide && key === 'End' ? 'end' : MOVES[key]
    const isOnControl = (event.target as Element).closest('button') !== null
    if (move !== undefined) go(cell, move, shiftKey)
    else if (key === 'a' && isWide) deeds.chooseAll()
    else if (key === 'Escape') deeds.clear()
    else if (isOnControl) return false
    else if (key === 'Enter' || key === ' ') enter(cell, key === ' ', shiftKey)
    else if (key === 'Delete' && deeds.isImage(cell)) {
      if (!deeds.isAnyChosen()) deeds.toggle(cell)
      deeds.askDelete()
    } else return false
    return true
  }

  function go(cell: Cell, move: Move, isToExtend: boolean): void {
    const next = moved(deeds.rows.value, cell, move, deeds.pageRows())
    if (next === null) return
    if (isToExtend && deeds.isImage(next)) deeds.extend(next)
    deeds.focus(next)
  }

  function enter(cell: Cell, isToChoose: boolean, isToExtend: boolean): void {
    const row = deeds.rows.value[locate(deeds.rows.value, cell)?.row ?? -1]
    if (row?.kind === 'group') deeds.turn(row.group)
    else if (!deeds.isImage(cell)) return
    else if (!isToChoose) deeds.open(cell)
    else if (isToExtend) deeds.extend(cell)
    else deeds.toggle(cell)
  }

  return (event) => {
    const cell = cellOf(event)
    if (cell !== null && !event.altKey && handle(event, cell)) event.preventDefault()
  }
}
