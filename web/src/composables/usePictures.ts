/**
 * What a card shows of a file before the manager has a thumbnail: the file itself, through an object URL.
 *
 * An object URL keeps its file alive, so each has one owner at a time (first the pending file's key, then the image's
 * id) and is revoked when the thumbnail is there or the owner has gone.
 */

import { shallowReactive } from 'vue'

/** The local pictures. */
export interface Pictures {
  /** The URL of the owner's local picture. */
  of(owner: string): string | undefined
  add(owner: string, file: File): void
  /** Hands a picture on: the file has become an image. */
  handOn(from: string, to: string): void
  /** The owner needs it no more. */
  release(owner: string): void
}

/** Holds no picture yet. */
export function usePictures(): Pictures {
  const urls = shallowReactive(new Map<string, string>())
  return {
    of: (owner) => urls.get(owner),
    add: (owner, file) => urls.set(owner, URL.createObjectURL(file)),
    handOn(from, to) {
      const url = urls.get(from)
      if (url === undefined) return
      urls.delete(from)
      urls.set(to, url)
    },
    release(owner) {
      const url = urls.get(owner)
      if (url === undefined) return
      urls.delete(owner)
      URL.revokeObjectURL(url)
    },
  }
}
