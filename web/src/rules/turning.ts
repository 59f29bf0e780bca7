/** Turning from one picture to the next in the large view. */

/** The pictures before and after the one that is shown. */
export interface Neighbours {
  /** Its place in the order, from 0; null when it is not in it (any more). */
  readonly place: number | null
  readonly previous: string | null
  readonly next: string | null
}

/**
 * The neighbours of `id`. It may have left the order while it is shown (deleted, or the view shows another state now):
 * then those are its neighbours that are where it was last, at `lastPlace`.
 */
export function neighboursOf(order: readonly string[], id: string, lastPlace: number): Neighbours {
  // Nearly always it is where it was: ten thousand ids are searched only after it has moved.
  const place = order[lastPlace] === id ? lastPlace : order.indexOf(id)
  if (place >= 0) return { place, previous: order[place - 1] ?? null, next: order[place + 1] ?? null }
  const gap = Math.min(lastPlace, order.length)
  return { place: null, previous: order[gap - 1] ?? null, next: order[gap] ?? null }
}

/** A finger that goes less far only trembled. */
const SWIPE_PX = 48

/** A finger that goes further down than this share of its way sideways wants to scroll. */
const STEEPEST = 0.6

/** Where a stroke of a finger turns to: 1 to the next (the finger went left), -1 to the previous, 0 nowhere. */
export function turnOf(rightPx: number, downPx: number): -1 | 0 | 1 {
  if (Math.abs(rightPx) < SWIPE_PX || Math.abs(downPx) > Math.abs(rightPx) * STEEPEST) return 0
  return rightPx < 0 ? 1 : -1
}
