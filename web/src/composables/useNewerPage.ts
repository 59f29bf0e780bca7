/**
 * Whether the manager serves another page than this one by now. With a batch its events say so; a page without one asks when
 * somebody comes back to it and when the manager does, which are the moments after which it may have changed.
 */

import { onScopeDispose, ref, type Ref } from 'vue'
import type { Api } from '../api'
import { pageDigestOf } from '../pageDigest'

/** What is known of it, and a way to find out. */
export interface NewerPage {
  readonly isThere: Readonly<Ref<boolean>>
  /** Asks the manager. An answer that does not come says nothing. */
  ask(): Promise<void>
}

/** Asks whenever the page is seen again, as long as `isWanted`. */
export function useNewerPage(api: Pick<Api, 'pageDigest'>, isWanted: () => boolean, own = pageDigestOf()): NewerPage {
  const isThere = ref(false)

  async function ask(): Promise<void> {
    if (own === null || isThere.value || !isWanted()) return
    const served = await api.pageDigest().catch(() => null)
    isThere.value = served !== null && served !== own
  }

  function onSeen(): void {
    if (document.visibilityState === 'visible') void ask()
  }

  document.addEventListener('visibilitychange', onSeen)
  onScopeDispose(() => document.removeEventListener('visibilitychange', onSeen))
  return { isThere, ask }
}
