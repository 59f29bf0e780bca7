/**
 * What this browser keeps of a person's choices from visit to visit. A browser may have no storage, or forbid it: then a
 * choice lasts as long as the page.
 */

/** A small text under a name of its own. */
export interface Memory {
  /** What was kept, or null. */
  recall(): string | null
  /** Keeps `text`; null forgets. */
  keep(text: string | null): void
}

/** What is kept as `manyeyes-NAME`. */
export function memoryOf(name: string, storage: () => Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> = () => localStorage): Memory {
  const key = `manyeyes-${name}`
  return {
    recall() {
      try {
        return storage().getItem(key)
      } catch {
        return null
      }
    },
    keep(text) {
      try {
        if (text === null) storage().removeItem(key)
        else storage().setItem(key, text)
      } catch {
        // Nothing is kept where nothing can be: the choice holds until the page is left.
      }
    },
  }
}
