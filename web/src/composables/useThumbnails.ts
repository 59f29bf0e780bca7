/**
 * The thumbnails of the images in sight.
 *
 * An `<img>` that asks for its own goes on asking when it is scrolled away, and does not say why it has failed. So they
 * are fetched here: a few at a time, only for cards that have been in sight for a moment, ended when they are gone, and
 * asked for again when they could not be had, as late as the manager wishes. The last few hundred are kept.
 */

import { shallowReactive } from 'vue'
import { retryAfterMs, waitMs, type Backoff } from '../rules/backoff'

/** As many are fetched at once: a browser has six connections to one address, and uploads need theirs. */
export const PARALLEL_THUMBNAILS = 4

/** A card that is in sight for less is being scrolled past. */
export const GLANCE_MS = 80

/** As many are kept, each of some ten kilobytes: a few screens up and down. */
export const KEPT_THUMBNAILS = 400

/** How a thumbnail that could not be had is asked for again, while its card is in sight. */
export const REFETCH: Backoff = { firstMs: 1_000, longestMs: 60_000 }

/** The part of `fetch` that is used. */
export type Fetch = (url: string, options: { signal: AbortSignal }) => Promise<Pick<Response, 'ok' | 'status' | 'headers' | 'blob'>>

/** What thumbnails need from outside. */
export interface ThumbnailNeeds {
  url(image: string): string
  readonly fetch?: Fetch
  /** 0..1. */
  chance?(): number
  /** Unix time in milliseconds. */
  now?(): number
}

/** The thumbnails. */
export interface Thumbnails {
  /** The address of an image's thumbnail, when it is here. */
  of(image: string): string | undefined
  /** Its card needs it, until it says `unwant`. */
  want(image: string): void
  /** Its card needs it no more. */
  unwant(image: string): void
  /** Ends all fetching and forgets all. */
  close(): void
}

/** Has no thumbnail yet. */
export function useThumbnails(needs: ThumbnailNeeds): Thumbnails {
  const { url, fetch: ask = (...asked) => fetch(...asked), chance = Math.random, now = Date.now } = needs
  /** Those that are here, those needed last at the end. */
  const here = shallowReactive(new Map<string, string>())
  /** Those whose cards are in sight. */
  const wanted = new Set<string>()
  const queue = new Set<string>()
  const running = new Map<string, AbortController>()
  const timers = new Map<string, ReturnType<typeof setTimeout>>()
  const failures = new Map<string, number>()
  /** When an image's next try is due, of those that have failed. */
  const due = new Map<string, number>()
  /** Images of which the manager can make none. */
  const impossible = new Set<string>()
  /** Until then the manager wishes not to be asked for any. */
  let busyUntil = 0

  function enqueueIn(image: string, ms: number): void {
    clearTimeout(timers.get(image))
    const timer = setTimeout(() => {
      timers.delete(image)
      queue.add(image)
      pump()
    }, ms)
    timers.set(image, timer)
  }

  function pump(): void {
    for (const image of queue) {
      if (running.size >= PARALLEL_THUMBNAILS) return
      queue.delete(image)
      const busyFor = busyUntil - now()
      if (busyFor > 0) enqueueIn(image, busyFor)
      else void load(image)
    }
  }

  async function load(image: string): Promise<void> {
    const control = new AbortController()
    running.set(image, control)
    try {
      const answer = await ask(url(image), { signal: control.signal })
      if (answer.ok) keep(image, await answer.blob(), control)
      else if (answer.status === 404) impossible.add(image)
      else onFailure(image, answer.status, retryAfterMs(answer.headers.get('Retry-After'), now()))
    } catch {
      // Ended by us, it is no failure.
      if (!control.signal.aborted) onFailure(image, 0, null)
    } finally {
      if (running.get(image) === control) running.delete(image)
      pump()
    }
  }

  function keep(image: string, picture: Blob, { signal }: AbortController): void {
    failures.delete(image)
    due.delete(image)
    if (signal.aborted) return
    here.set(image, URL.createObjectURL(picture))
    for (const [old, address] of here) {
      if (here.size <= KEPT_THUMBNAILS) return
      if (wanted.has(old)) continue
      here.delete(old)
      URL.revokeObjectURL(address)
    }
  }

  function onFailure(image: string, status: number, retryAfter: number | null): void {
    const count = (failures.get(image) ?? 0) + 1
    failures.set(image, count)
    const wait = waitMs(REFETCH, count, chance(), retryAfter)
    if (status === 429) busyUntil = Math.max(busyUntil, now() + wait)
    due.set(image, now() + wait)
    if (wanted.has(image)) enqueueIn(image, wait)
  }

  function stop(image: string): void {
    clearTimeout(timers.get(image))
    timers.delete(image)
    queue.delete(image)
    running.get(image)?.abort()
    running.delete(image)
  }

  return {
    of: (image) => here.get(image),
    want(image) {
      wanted.add(image)
      const address = here.get(image)
      if (address !== undefined) {
        // Needed last, it is the last to be given up.
        here.delete(image)
        here.set(image, address)
      } else if (!impossible.has(image)) {
        enqueueIn(image, Math.max(GLANCE_MS, (due.get(image) ?? 0) - now()))
      }
    },
    unwant(image) {
      wanted.delete(image)
      stop(image)
      pump()
    },
    close() {
      for (const image of [...timers.keys(), ...running.keys()]) stop(image)
      queue.clear()
      wanted.clear()
      for (const address of here.values()) URL.revokeObjectURL(address)
      here.clear()
    },
  }
}
