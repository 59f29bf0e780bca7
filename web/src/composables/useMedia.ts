/** Whether a media query holds, now and whenever that changes. */

import { onScopeDispose, ref, type Ref } from 'vue'

/** A window too narrow for the panel beside the pictures, as `BatchPage` draws the line. */
export const WIDE = '(min-width: 68rem)'

/** A person wants no motion. */
export const STILL = '(prefers-reduced-motion: reduce)'

/** Follows `query`. */
export function useMedia(query: string): Readonly<Ref<boolean>> {
  const list = window.matchMedia(query)
  const holds = ref(list.matches)
  const follow = () => (holds.value = list.matches)
  list.addEventListener('change', follow)
  onScopeDispose(() => list.removeEventListener('change', follow))
  return holds
}
