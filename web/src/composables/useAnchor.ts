/**
 * Keeps what is in sight where it is, whatever comes or goes above it. The browser's own way does not see through rows
 * that are put in their places by hand.
 */

import { nextTick, watch, type Ref } from 'vue'
import { heightOf, heightOfAll, locate, type Cell, type Row } from '../rules/rows'
import type { GridLayout } from './useGridLayout'

/** What is kept in its place, and in what. */
export interface AnchorNeeds {
  readonly rows: Readonly<Ref<readonly Row[]>>
  readonly layout: Readonly<Ref<GridLayout>>
  /** Changes when a person wanted other rows: their beginning is shown then. */
  choices(): number
  /** So many pixels at the top of the window are covered by what sticks there. */
  covered(): number
  /** Hears where the page is going to be scrolled to, before it is. */
  onScroll(to: number): void
}

/** A card that stays, how far its row is below the top of the window, and how far the page was scrolled then. */
interface Anchor {
  readonly cell: Cell
  readonly below: number
  scrolled: number
}

/** Works until the component is gone. */
export function useAnchor({ rows, layout, choices, covered, onScroll }: AnchorNeeds): void {
  /** The same one until a person scrolls: with another one each time, a column here and there would add up. */
  let anchor: Anchor | null = null

  watch([rows, layout, choices], ([lines, at, choice], [oldLines, oldAt, oldChoice]) => {
    const scrolled = window.scrollY
    const isKept = anchor !== null && Math.abs(anchor.scrolled - scrolled) < 1 && locate(lines, anchor.cell) !== null
    if (!isKept) anchor = anchorAt(scrolled, covered(), oldLines, oldAt, lines)
    const found = anchor && locate(lines, anchor.cell)
    let to = scrolled
    if (choice !== oldChoice) {
      to = Math.min(scrolled, Math.max(0, at.top - covered()))
      anchor = null
    } else if (anchor && found) {
      to = at.top + heightOfAll(lines.slice(0, found.row), at) - anchor.below
      anchor.scrolled = to
    }
    if (to === scrolled) return
    onScroll(to)
    void nextTick(() => window.scrollTo({ top: to, behavior: 'instant' }))
  })
}

/** The first card in sight that is there also afterwards. None while the beginning of the grid is in sight. */
function anchorAt(scrolled: number, covered: number, from: readonly Row[], layout: GridLayout, to: readonly Row[]): Anchor | null {
  const edge = scrolled + covered
  if (edge <= layout.top) return null
  let start = layout.top
  for (const row of from) {
    const end = start + heightOf(row, layout)
    if (start > edge + window.innerHeight) return null
    const cells = end <= edge ? [] : row.kind === 'group' ? [row.key] : row.cells
    const cell = cells.find((one) => locate(to, one) !== null)
    if (cell !== undefined) return { cell, below: start - scrolled, scrolled }
    start = end
  }
  return null
}
