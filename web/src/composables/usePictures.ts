/**
 * What a card shows of a file before the manager has a thumbnail: the file itself, through an object URL.
 *
 * An object URL keeps its file alive, so only what a card shows has one. It has one owner at a time (first the pending
 * file's key, then the image's id) and is revoked when the thumbnail is there or the card has gone.
 */

import { shallowReactive } from 'vue'

/** A larger file is not shown before its thumbnail is there: a whole wall of large photos is more than a page can decode. */
export const MOST_SHOWN_BYTES = 12_000_000

/** As many pictures wait for their thumbnail. The card of an older one may be out of sight, where no thumbnail ever comes. */
export const HANDED_ON_KEPT = 60

/** The local pictures. */
export interface Pictures {
  /** The URL of the owner's local picture. */
  of(owner: string): string | undefined
  /** The card of a pending file is in sight. */
  show(owner: string, file: File): void
  /** Hands a picture on: the file has become an image. */
  handOn(from: string, to: string): void
  /** The owner needs it no more. */
  release(owner: string): void
}

/** Holds no picture yet. */
export function usePictures(): Pictures {
  const urls = shallowReactive(new Map<string, string>())
  const handedOn = new Set<string>()

  function release(owner: string): void {
    handedOn.delete(owner)
    const url = urls.get(owner)
    if (url === undefined) return
    urls.delete(owner)
    URL.revokeObjectURL(url)
  }

  return {
    of: (owner) => urls.get(owner),
    show(owner, file) {
      if (urls.has(owner) || file.size > MOST_SHOWN_BYTES) return
      urls.set(owner, URL.createObjectURL(file))
    },
    handOn(from, to) {
      const url = urls.get(from)
      if (url === undefined) return
      urls.delete(from)
      urls.set(to, url)
      handedOn.add(to)
      const [oldest] = handedOn
      if (handedOn.size > HANDED_ON_KEPT && oldest !== undefined) release(oldest)
    },
    release,
  }
}
