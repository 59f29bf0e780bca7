/**
 * What is shown of the batch: what a person has asked for, and what comes of it.
 *
 * A choice takes effect at once. What happens to images does so too while they are few; thousands are arranged anew a few
 * times a second, since nobody reads faster. Choices last as long as the tab, for the batch that they were made for.
 */

import { onScopeDispose, ref, shallowRef, toRaw, watch, type Ref, type ShallowRef } from 'vue'
import { memoryOf, type Memory } from '../memory'
import type { Image } from '../protocol'
import { arrange, EVERYTHING, readSettings, writeSettings, type View, type ViewSettings, type WaitingFile } from '../rules/view'
import type { Batch } from './useBatch'

/** So many images and files are arranged anew with every change. */
export const FEW = 500

/** More than a few are arranged anew this long after the last time. */
export const PAUSE_MS = 250

/** What a view needs from outside. */
export interface ViewNeeds {
  readonly batch: Pick<Batch, 'id' | 'images' | 'order' | 'changes'>
  /** The files on their way, in the order in which they were chosen. */
  files(): readonly WaitingFile[]
  readonly memory?: Memory
}

/** What is shown, and what may be asked for. */
export interface BatchView {
  readonly settings: Readonly<ShallowRef<ViewSettings>>
  readonly view: Readonly<ShallowRef<View>>
  /** Rises with every choice: the view has changed because a person wanted it to. */
  readonly choices: Readonly<Ref<number>>
  /** Asks for something else. */
  choose(wish: Partial<ViewSettings>): void
  /** Shows everything again, in the same order as before. */
  showAll(): void
}

/** Shows everything until something else is asked for. */
export function useView({ batch, files, memory = memoryOf('view', () => sessionStorage) }: ViewNeeds): BatchView {
  const settings = shallowRef(EVERYTHING)
  const choices = ref(0)
  const view = shallowRef(arrangeNow())
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Whether something has changed since the last time, while a pause is kept. */
  let isWanted = false

  /** Reads past the reactive map: following each of thousands of images would cost more than it tells. */
  function arrangeNow(): View {
    const images = toRaw(batch.images)
    const known = batch.order.value.map((id) => images.get(id)).filter((image): image is Image => image !== undefined)
    return arrange(known, files(), settings.value)
  }

  function onChange(): void {
    isWanted = timer !== undefined
    if (isWanted) return
    view.value = arrangeNow()
    if (view.value.counts.all + view.value.files.length <= FEW && batch.order.value.length <= FEW) return
    timer = setTimeout(() => {
      timer = undefined
      if (isWanted) onChange()
    }, PAUSE_MS)
  }

  function choose(wish: Partial<ViewSettings>): void {
    settings.value = { ...settings.value, ...wish }
    memory.keep(JSON.stringify({ batch: batch.id.value, settings: writeSettings(settings.value) }))
    choices.value += 1
    view.value = arrangeNow()
  }

  watch(
    batch.id,
    (id) => {
      const kept = id === null ? null : settingsFor(id, memory.recall())
      if (kept === null) return
      settings.value = kept
      view.value = arrangeNow()
    },
    { immediate: true },
  )
  watch([batch.changes, batch.order, files], onChange)
  onScopeDispose(() => clearTimeout(timer))

  return {
    settings,
    view,
    choices,
    choose,
    showAll: () => choose({ state: EVERYTHING.state, label: EVERYTHING.label, search: EVERYTHING.search }),
  }
}

function settingsFor(batch: string, kept: string | null): ViewSettings | null {
  if (kept === null) return null
  try {
    const read = JSON.parse(kept) as { batch?: unknown; settings?: unknown } | null
    return read?.batch === batch ? readSettings(String(read.settings)) : null
  } catch {
    return null
  }
}
