/**
 * What is known of a batch's images, and how news of them is taken in.
 *
 * News comes by several ways at once (the answer to an upload, pages of the batch, numbered changes) and in any order,
 * so every rule here is idempotent: of two copies of one image the one with the higher `seq` stays, and an image that
 * was deleted never comes back, because the manager never uses an id twice.
 */

import type { Image } from '../protocol'

/** What is known of a batch's images. `order` holds the ids of `images` in upload order. */
export interface Book {
  readonly images: Map<string, Image>
  readonly order: string[]
  readonly deleted: Set<string>
}

/** Takes in one copy of an image. Says whether the list of ids has changed. */
export function takeIn(book: Book, image: Image): boolean {
  if (book.deleted.has(image.id)) return false
  const known = book.images.get(image.id)
  if (known && known.seq >= image.seq) return false
  book.images.set(image.id, image)
  if (known) return false
  book.order.splice(place(book.order, image.id), 0, image.id)
  return true
}

/** Takes in that an image was deleted. Says whether the list of ids has changed. */
export function strikeOut(book: Book, id: string): boolean {
  book.deleted.add(id)
  if (!book.images.delete(id)) return false
  book.order.splice(place(book.order, id), 1)
  return true
}

/**
 * Takes in that the whole batch was read and that `present` is all of it: what the manager had shown `before` that and
 * is not there has been deleted meanwhile. Says whether the list of ids has changed.
 */
export function keepOnly(book: Book, present: ReadonlySet<string>, before: readonly string[]): boolean {
  const struck = before.filter((id) => !present.has(id) && book.images.has(id))
  for (const id of struck) strikeOut(book, id)
  return struck.length > 0
}

/** Orders ids, which are decimal numbers too large for a `number`, by value. */
export function compareIds(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}

/** Where `id` is in `order`, or belongs there. Nearly always the end, so that is looked at first. */
function place(order: readonly string[], id: string): number {
  let low = 0
  let high = order.length
  if (high > 0 && compareIds(order[high - 1] as string, id) < 0) return high
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareIds(order[middle] as string, id) < 0) low = middle + 1
    else high = middle
  }
  return low
}
