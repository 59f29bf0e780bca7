/** Where the grid lies on the page, and how many cards of which height fit in it: measured whenever the page changes. */

import { computed, onBeforeUnmount, onMounted, shallowRef, type ComputedRef, type Ref } from 'vue'
import { columnsFor, type RowSizes } from '../rules/rows'

/** Widths and heights in rem: how wide a card is at least, on a phone and elsewhere, what lies between, what is under a picture. */
const CARD = { narrow: 9.5, wide: 10.25, gap: 0.75, text: 3.55, rowGap: 1 }
const GROUP_REM = 3.25

/** A grid that is narrower is one on a phone. */
const NARROW_REM = 40

/** All lengths in pixels. */
export interface GridLayout extends RowSizes {
  /** Nothing is to be laid out before it is. */
  readonly isMeasured: boolean
  /** How far below the top of the page the grid begins. */
  readonly top: number
  readonly columns: number
  /** What lies below a row of cards, and is part of its height. */
  readonly rowGap: number
}

/** Follows the element. */
export function useGridLayout(grid: Readonly<Ref<HTMLElement | null>>): ComputedRef<GridLayout> {
  const place = shallowRef({ isMeasured: false, top: 0, width: 0, rem: 16 })

  function measure(): void {
    if (grid.value === null) return
    const { top, width } = grid.value.getBoundingClientRect()
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16
    const now = { isMeasured: true, top: Math.round(top + window.scrollY), width, rem }
    const old = place.value
    if (!old.isMeasured || now.top !== old.top || now.width !== old.width || now.rem !== old.rem) place.value = now
  }

  let observer: ResizeObserver | undefined
  onMounted(() => {
    measure()
    // What is above the grid moves it when it grows, and makes the page as a whole grow.
    observer = new ResizeObserver(measure)
    observer.observe(grid.value as HTMLElement)
    observer.observe(document.body)
  })
  onBeforeUnmount(() => observer?.disconnect())

  return computed(() => {
    const { isMeasured, top, width, rem } = place.value
    const gap = CARD.gap * rem
    const columns = columnsFor(width, gap, (width < NARROW_REM * rem ? CARD.narrow : CARD.wide) * rem)
    const cardWidth = Math.max(0, width - gap * (columns - 1)) / columns
    const cards = Math.round(cardWidth * 0.75 + (CARD.text + CARD.rowGap) * rem)
    return { isMeasured, top, columns, cards, rowGap: CARD.rowGap * rem, group: GROUP_REM * rem }
  })
}
