/** Looks through what a person offers, says what is left out of it, and hands on the rest. */

import { shallowRef, type ShallowRef } from 'vue'
import type { OfferedFile } from '../rules/files'
import type { Offering } from '../rules/offering'
import { oncePerFrame, type NextFrame } from './useFrame'

/** The most files that are taken of one offer: a batch holds no more. */
export const MOST_FILES = 200_000

/** What became of what was offered, beside the files that are sent. */
export interface Leftovers {
  /** Files of folders that are no pictures. */
  readonly leftOut: number
  /** Files and folders that could not be read. */
  readonly unreadable: number
  /** Whether there were more than `MOST_FILES`. */
  readonly isCut: boolean
  /** Whether there was no file in it at all: text, or a link. */
  readonly isNoFile: boolean
}

/** What is offered. */
export interface Offers {
  /** How many files have been looked at so far; null when nothing is being looked through. */
  readonly looking: Readonly<ShallowRef<number | null>>
  readonly leftovers: Readonly<ShallowRef<Leftovers>>
  /** Looks through it. Null: there was no file in it. */
  take(offering: Offering | null): Promise<void>
  /** Stops looking, and sends nothing of what was being looked through. */
  stop(): void
  /** Forgets what was left out. */
  clear(): void
}

const NONE: Leftovers = { leftOut: 0, unreadable: 0, isCut: false, isNoFile: false }

/** Nothing was offered yet. `add` is called with all files of an offer at once. */
export function useOffers(add: (files: readonly OfferedFile[]) => void, nextFrame?: NextFrame): Offers {
  const looking = shallowRef<number | null>(null)
  const leftovers = shallowRef(NONE)
  let now = NONE
  let seen = 0
  let open = 0
  /** Rises when looking is stopped. */
  let era = 0
  const showSoon = oncePerFrame(() => {
    looking.value = open > 0 ? seen : null
    leftovers.value = now
  }, nextFrame)

  async function take(offering: Offering | null): Promise<void> {
    if (open === 0) {
      now = NONE
      seen = 0
    }
    if (offering === null) now = { ...now, isNoFile: true }
    else await lookThrough(offering)
    showSoon()
  }

  async function lookThrough(offering: Offering): Promise<void> {
    const mine = era
    const found: OfferedFile[] = []
    open += 1
    showSoon()
    for await (const { files, leftOut, unreadable } of offering) {
      if (era !== mine) return
      // One by one: a spread of thousands may be more than a call can carry.
      for (const file of files) found.push(file)
      seen += files.length + leftOut + unreadable
      now = { ...now, leftOut: now.leftOut + leftOut, unreadable: now.unreadable + unreadable }
      if (found.length > MOST_FILES) {
        now = { ...now, isCut: true }
        break
      }
      showSoon()
    }
    open -= 1
    if (found.length > 0) add(inOrder(found.slice(0, MOST_FILES)))
  }

  return {
    looking,
    leftovers,
    take,
    stop() {
      era += 1
      open = 0
      showSoon()
    },
    clear() {
      if (open > 0) return
      now = NONE
      showSoon()
    },
  }
}

const collator = new Intl.Collator('en', { numeric: true })

/**
 * Folders are read in no order that anybody sees: theirs become that of a person who counts, "10" after "9". Files that
 * were named themselves stay as they were named.
 */
function inOrder(files: readonly OfferedFile[]): OfferedFile[] {
  const named = files.filter(({ path }) => !path.includes('/'))
  const found = files.filter(({ path }) => path.includes('/'))
  return [...named, ...found.toSorted((one, other) => collator.compare(one.path, other.path))]
}
