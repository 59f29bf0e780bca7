/** Which images a person has chosen. No words, no clock. */

import type { Image } from '../protocol'

/** The chosen images. */
export interface Selection {
  readonly chosen: ReadonlySet<string>
  /** The image that was chosen last by itself: a range begins there. */
  readonly anchor: string | null
}

/** Nothing is chosen. */
export const NOTHING: Selection = { chosen: new Set(), anchor: null }

/** Chooses an image, or gives it up. */
export function toggle({ chosen }: Selection, id: string): Selection {
  const next = new Set(chosen)
  if (!next.delete(id)) next.add(id)
  return { chosen: next, anchor: id }
}

/** Chooses all from the anchor to `id`, in the order shown. Without an anchor that is shown, `id` alone. */
export function extend(selection: Selection, id: string, order: readonly string[]): Selection {
  const to = order.indexOf(id)
  const from = selection.anchor === null ? -1 : order.indexOf(selection.anchor)
  if (to < 0) return selection
  if (from < 0) return { chosen: new Set(selection.chosen).add(id), anchor: id }
  const range = order.slice(Math.min(from, to), Math.max(from, to) + 1)
  return { chosen: new Set([...selection.chosen, ...range]), anchor: selection.anchor }
}

/** Chooses all that are shown, beside what was chosen before. */
export function chooseAll(selection: Selection, order: readonly string[]): Selection {
  return { chosen: new Set([...selection.chosen, ...order]), anchor: selection.anchor }
}

/** Gives up what is no longer there. The same selection when all of it is. */
export function keepExisting(selection: Selection, exists: (id: string) => boolean): Selection {
  const left = [...selection.chosen].filter(exists)
  const anchor = selection.anchor !== null && exists(selection.anchor) ? selection.anchor : null
  if (left.length === selection.chosen.size && anchor === selection.anchor) return selection
  return { chosen: new Set(left), anchor }
}

/** Whether an image can be recognised once more. */
export function isRetriable({ state }: Image): boolean {
  return state === 'recognised' || state === 'failed' || state === 'cancelled'
}

/** Whether an image can be taken back. */
export function isCancellable({ state }: Image): boolean {
  return state === 'waiting' || state === 'assigned'
}
