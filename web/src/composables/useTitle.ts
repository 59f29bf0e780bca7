/** The page's name in tabs and in a browser's history, which is not to flicker while hundreds of pictures a second are done. */

import { onScopeDispose, watch } from 'vue'

/** It changes no more often than that. */
export const TITLE_EVERY_MS = 1_000

/** Keeps it what `title` says. */
export function useTitle(title: () => string, page: Pick<Document, 'title'> = document): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let shown: string | null = null

  function show(): void {
    timer = undefined
    if (title() === shown) return
    page.title = shown = title()
    timer = setTimeout(show, TITLE_EVERY_MS)
  }

  watch(title, () => timer === undefined && show(), { immediate: true })
  onScopeDispose(() => clearTimeout(timer))
}
