/**
 * Sends files to the batch, a few at a time, until each has arrived or was refused for good.
 *
 * A file keeps one idempotency key over all its tries, so that a try whose answer was lost makes no second image.
 */

import { shallowReactive, type ShallowReactive } from 'vue'
import { RequestError, type Api, type Upload } from '../api'
import type { Image, Problem } from '../protocol'
import { waitMs, type Backoff } from '../rules/backoff'

/** As many files travel at once. More gain nothing on one connection, and a browser opens six at most. */
export const PARALLEL_UPLOADS = 4

/** How the next try of a file waits. */
export const RETRY: Backoff = { firstMs: 500, longestMs: 20_000 }

/** A manager that says it has failed is tried as often; one that is away or asks to wait, as long as the page is open. */
export const TRIES_AFTER_ERRORS = 6

/** `queued`: its turn has not come. `paused`: tries again by itself in a while. `failed`: `problem` says why. */
export type UploadState = 'queued' | 'sending' | 'paused' | 'failed'

/** A file on its way. */
export interface PendingFile {
  /** Unique on this page. */
  readonly key: string
  readonly file: File
  state: UploadState
  /** 0..1 of the file's bytes. */
  share: number
  /** Why it has failed, or what it waits for. */
  problem: Problem | null
}

/** What uploads need from outside. */
export interface UploadNeeds {
  readonly api: Pick<Api, 'upload'>
  /** The batch to send to, made when there is none yet. */
  batch(): Promise<string>
  /** Called with the images that came of a file, when it is no longer pending. */
  onArrived(file: PendingFile, images: readonly Image[]): void
  /** 0..1. */
  chance(): number
  /** An unguessable text, new with every call. */
  newKey(): string
}

/** The files on their way, and what may be done with them. */
export interface Uploads {
  /** In the order of choosing. A file that has arrived is no longer here. */
  readonly pending: ReadonlyMap<string, ShallowReactive<PendingFile>>
  /** Puts files at the end of the queue, and gives what stands for them there. */
  add(files: readonly File[]): readonly PendingFile[]
  /** Tries a failed file again. */
  retry(key: string): void
  /** Tries at once what waits for its next try: the manager is back. */
  hurry(): void
  /** Forgets a file, and stops sending it. */
  dismiss(key: string): void
}

/** Makes an empty queue. */
export function useUploads(needs: UploadNeeds): Uploads {
  const pending = shallowReactive(new Map<string, ShallowReactive<PendingFile>>())
  /** Those whose turn has not come. A queue beside the map, so that taking the next does not search thousands. */
  const queue: ShallowReactive<PendingFile>[] = []
  const running = new Map<string, Upload>()
  const timers = new Map<string, ReturnType<typeof setTimeout>>()
  const failures = new Map<string, number>()
  let sending = 0

  function enqueue(entry: ShallowReactive<PendingFile>): void {
    clearTimeout(timers.get(entry.key))
    timers.delete(entry.key)
    entry.state = 'queued'
    entry.share = 0
    queue.push(entry)
    pump()
  }

  function pump(): void {
    while (sending < PARALLEL_UPLOADS) {
      const entry = queue.shift()
      if (entry === undefined) return
      sending += 1
      void sendOne(entry).finally(() => {
        sending -= 1
        pump()
      })
    }
  }

  async function sendOne(entry: ShallowReactive<PendingFile>): Promise<void> {
    entry.state = 'sending'
    entry.problem = null
    try {
      const batch = await needs.batch()
      if (!pending.has(entry.key)) return
      const upload = needs.api.upload(batch, entry.file, entry.key, (share) => (entry.share = share))
      running.set(entry.key, upload)
      const images = await upload.images
      forget(entry.key)
      needs.onArrived(entry, images)
    } catch (error) {
      if (pending.has(entry.key)) await onFailure(entry, error)
    } finally {
      running.delete(entry.key)
    }
  }

  async function onFailure(entry: ShallowReactive<PendingFile>, cause: unknown): Promise<void> {
    const error = cause instanceof RequestError ? cause : new RequestError(0, 'unknown', String(cause))
    const gone = error.code === 'unreachable' && !(await isReadable(entry.file))
    if (!pending.has(entry.key)) return
    if (gone) return giveUp(entry, { code: 'unreadable', message: 'The file can no longer be read from this computer.' })
    const count = (failures.get(entry.key) ?? 0) + 1
    failures.set(entry.key, count)
    if (!isWorthAnotherTry(error, count)) return giveUp(entry, { code: error.code, message: error.message })
    entry.state = 'paused'
    entry.share = 0
    entry.problem = { code: error.code, message: error.message }
    const wait = Math.max(waitMs(RETRY, count, needs.chance()), error.retryAfterMs ?? 0)
    timers.set(entry.key, setTimeout(enqueue, wait, entry))
  }

  function giveUp(entry: ShallowReactive<PendingFile>, problem: Problem): void {
    entry.state = 'failed'
    entry.problem = problem
  }

  function forget(key: string): void {
    clearTimeout(timers.get(key))
    timers.delete(key)
    failures.delete(key)
    pending.delete(key)
  }

  return {
    pending,
    add(files) {
      const added = files.map((file) =>
        shallowReactive<PendingFile>({ key: needs.newKey(), file, state: 'queued', share: 0, problem: null }),
      )
      for (const entry of added) pending.set(entry.key, entry)
      queue.push(...added)
      pump()
      return added
    },
    retry(key) {
      const entry = pending.get(key)
      if (entry?.state !== 'failed') return
      failures.delete(key)
      enqueue(entry)
    },
    hurry() {
      for (const key of [...timers.keys()]) {
        const entry = pending.get(key)
        // Who was asked to wait by a manager that is there goes on waiting.
        if (entry?.state === 'paused' && entry.problem?.code === 'unreachable') enqueue(entry)
      }
    },
    dismiss(key) {
      running.get(key)?.abort()
      forget(key)
    },
  }
}

/** The manager asks to wait (408, 429), is not there (502 to 504), or has no room until workers are further (507). */
const PASSING_STATUSES = [408, 429, 502, 503, 504, 507]

/** Refusals stay refusals. What passes by itself is waited for; other errors of the manager may pass. */
export function isWorthAnotherTry(error: RequestError, failures: number): boolean {
  const passes = error.code === 'unreachable' || PASSING_STATUSES.includes(error.status)
  return passes || (error.status >= 500 && failures < TRIES_AFTER_ERRORS)
}

/** A file that was deleted or changed after it was chosen looks to an upload as if the network had failed. */
async function isReadable(file: File): Promise<boolean> {
  try {
    await file.slice(0, 1).arrayBuffer()
    return true
  } catch {
    return false
  }
}
