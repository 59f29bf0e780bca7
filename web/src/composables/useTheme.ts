/**
 * Light or dark: as the system says, or as a person has chosen. `public/theme.js` applies a choice of an earlier visit
 * before the first paint; this does the rest.
 */

import { ref, watch, type Ref } from 'vue'
import { memoryOf, type Memory } from '../memory'

/** The choices, in the order in which they are offered. */
export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

/** The theme. Setting it changes the page, and is remembered. */
export function useTheme(page: Document = document, memory: Memory = memoryOf('theme')): Ref<Theme> {
  const theme = ref(themeOf(memory.recall()))
  // The colours of the browser's own frame, one for each of the system's schemes: read before any is overruled.
  const frame = [...page.querySelectorAll<HTMLMetaElement>('meta[name=theme-color]')].map((meta) => ({
    meta,
    own: meta.content,
    scheme: /light|dark/.exec(meta.getAttribute('media') ?? '')?.[0],
  }))
  watch(theme, apply, { immediate: true })
  watch(theme, (now) => memory.keep(now === 'system' ? null : now))

  function apply(now: Theme): void {
    if (now === 'system') delete page.documentElement.dataset.theme
    else page.documentElement.dataset.theme = now
    const chosen = frame.find(({ scheme }) => scheme === now)?.own
    for (const { meta, own } of frame) meta.content = chosen ?? own
  }

  return theme
}

function themeOf(text: string | null): Theme {
  return THEMES.find((theme) => theme === text) ?? 'system'
}
