/** Which cell of the grid the keyboard is on. It stays there when the cell moves, and near it when the cell goes. */

import { computed, nextTick, onBeforeUnmount, onMounted, shallowRef, watch, type ComputedRef, type Ref } from 'vue'
import { cellAt, locate, type Cell, type Row } from '../rules/rows'

/** What the keyboard is kept in. */
export interface GridFocusNeeds {
  readonly grid: Readonly<Ref<HTMLElement | null>>
  readonly rows: Readonly<Ref<readonly Row[]>>
  /** Scrolls so that a row is in sight. */
  showRow(row: number): void
}

/** Where the keyboard is. */
export interface GridFocus {
  readonly active: Ref<Cell | null>
  /** Null when it is on no cell that is shown. */
  readonly place: ComputedRef<{ row: number; column: number } | null>
  /** Puts the keyboard on a cell, and the cell in sight. */
  focus(cell: Cell): void
  /** For the grid's own `focusin`. */
  onFocus(event: FocusEvent): void
}

/** The cell that an event happened in. */
export function cellOf({ target }: Event): Cell | null {
  return (target as Element).closest<HTMLElement>('[data-cell]')?.dataset.cell ?? null
}

/** On no cell yet. */
export function useGridFocus({ grid, rows, showRow }: GridFocusNeeds): GridFocus {
  const active = shallowRef<Cell | null>(null)
  const place = computed(() => (active.value === null ? null : locate(rows.value, active.value)))
  /** Whether the focus was in the grid when it was last anywhere. */
  let wasFocused = false

  function follow({ target }: FocusEvent): void {
    wasFocused = grid.value?.contains(target as Node) ?? false
  }
  onMounted(() => document.addEventListener('focusin', follow))
  onBeforeUnmount(() => document.removeEventListener('focusin', follow))

  function elementOf(cell: Cell | null): HTMLElement | null {
    return cell === null ? null : (grid.value?.querySelector<HTMLElement>(`[data-cell="${CSS.escape(cell)}"]`) ?? null)
  }

  watch(rows, (lines, oldLines) => {
    // A card whose image is deleted goes with the focus on it, before this is heard of.
    const hadFocus = grid.value?.contains(document.activeElement) || (wasFocused && document.activeElement === document.body)
    const before = active.value === null ? null : locate(oldLines, active.value)
    if (before && !place.value) active.value = cellAt(lines, Math.min(before.row, lines.length - 1), before.column)
    if (!hadFocus) return
    // An element that is moved among others loses the focus.
    void nextTick(() => {
      if (!grid.value?.contains(document.activeElement)) elementOf(active.value)?.focus({ preventScroll: true })
    })
  })

  return {
    active,
    place,
    focus(cell) {
      const found = locate(rows.value, cell)
      if (!found) return
      active.value = cell
      showRow(found.row)
      void nextTick(() => elementOf(cell)?.focus({ preventScroll: true }))
    },
    onFocus(event) {
      active.value = cellOf(event) ?? active.value
    },
  }
}
