/** The language that the page speaks: a person's choice, or else the first of their browser's that is spoken here. */

import { computed, ref, watch, type ComputedRef, type Ref } from 'vue'
import { memoryOf, type Memory } from '../memory'
import { bestLanguage, wordsIn, type Words } from '../words/words'

/** The language, and how it is changed. */
export interface Language {
  readonly tag: Readonly<Ref<string>>
  readonly words: ComputedRef<Words>
  /** Speaks the language of that tag from now on, and on the next visit. */
  choose(tag: string): void
}

/** Speaks at once, and tells the browser in which language: for screen readers, hyphens and the shape of letters. */
export function useLanguage(
  wanted: readonly string[] = navigator.languages,
  page: HTMLElement = document.documentElement,
  memory: Memory = memoryOf('language'),
): Language {
  const tag = ref(bestLanguage([memory.recall() ?? '', ...wanted]))
  const words = computed(() => wordsIn(tag.value))
  watch(tag, (now) => (page.lang = now), { immediate: true })
  return {
    tag,
    words,
    choose(chosen) {
      tag.value = bestLanguage([chosen])
      memory.keep(tag.value)
    },
  }
}
