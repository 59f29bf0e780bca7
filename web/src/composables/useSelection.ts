/** Which images are chosen, and what is done with them. */

import { computed, shallowRef, toRaw, watch, type ComputedRef, type ShallowRef } from 'vue'
import { RequestError, type Api } from '../api'
import type { Image, Problem } from '../protocol'
import { chooseAll, extend, isCancellable, isRetriable, keepExisting, NOTHING, toggle, type Selection } from '../rules/selection'
import type { Batch } from './useBatch'

/** What can be done with chosen images. */
export type Deed = 'retry' | 'cancel' | 'delete'

/** How a deed went. `problem`: it could not be asked for; what was done before stays done. */
export interface Outcome {
  readonly deed: Deed
  readonly done: number
  readonly refused: number
  readonly problem: Problem | null
}

/** To how many of the chosen images each deed could be done. */
export type Doable = Readonly<Record<Deed, number>>

/** The chosen images. */
export interface Selecting {
  readonly selection: Readonly<ShallowRef<Selection>>
  readonly doable: Readonly<ComputedRef<Doable>>
  /** The deed that is being done, or null. */
  readonly doing: Readonly<ShallowRef<Deed | null>>
  /** How the last deed went, until something else is chosen. */
  readonly outcome: Readonly<ShallowRef<Outcome | null>>
  toggle(id: string): void
  /** Chooses from the image chosen last to this one, in the order shown. */
  extend(id: string, order: readonly string[]): void
  chooseAll(order: readonly string[]): void
  clear(): void
  /** Does it to those of the chosen images to which it can be done. */
  perform(deed: Deed): Promise<void>
}

/** Has nothing chosen. */
export function useSelection(
  api: Pick<Api, 'retryAll' | 'cancelAll' | 'deleteAll'>,
  batch: Pick<Batch, 'id' | 'images' | 'changes'>,
): Selecting {
  const selection = shallowRef(NOTHING)
  const doing = shallowRef<Deed | null>(null)
  const outcome = shallowRef<Outcome | null>(null)
  const images = toRaw(batch.images)
  const chosen = (deed: Deed) =>
    [...selection.value.chosen].filter((id) => {
      const image = images.get(id)
      return image !== undefined && FITS[deed](image)
    })
  const doable = computed<Doable>(() => {
    // Once a frame for all of them, instead of following each.
    void batch.changes.value
    return { retry: chosen('retry').length, cancel: chosen('cancel').length, delete: chosen('delete').length }
  })

  function select(next: Selection): void {
    outcome.value = null
    selection.value = next
  }

  watch(batch.changes, () => {
    if (selection.value.chosen.size > 0) selection.value = keepExisting(selection.value, (id) => images.has(id))
  })

  return {
    selection,
    doable,
    doing,
    outcome,
    toggle: (id) => select(toggle(selection.value, id)),
    extend: (id, order) => select(extend(selection.value, id, order)),
    chooseAll: (order) => select(chooseAll(selection.value, order)),
    clear: () => select(NOTHING),
    async perform(deed) {
      if (doing.value !== null || batch.id.value === null) return
      const ids = chosen(deed)
      doing.value = deed
      try {
        const ask = { retry: api.retryAll, cancel: api.cancelAll, delete: api.deleteAll }[deed]
        const { done, refused } = await ask(batch.id.value, ids)
        selection.value = NOTHING
        outcome.value = { deed, done, refused, problem: null }
      } catch (error) {
        outcome.value = { deed, done: 0, refused: 0, problem: problemOf(error) }
      } finally {
        doing.value = null
      }
    },
  }
}

const FITS: Record<Deed, (image: Image) => boolean> = { retry: isRetriable, cancel: isCancellable, delete: () => true }

function problemOf(error: unknown): Problem {
  return error instanceof RequestError ? { code: error.code, message: error.message } : { code: 'unknown', message: String(error) }
}
