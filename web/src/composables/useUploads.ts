/**
 * Sends files to the batch, a few at a time, until each has arrived or was refused for good.
 *
 * A file keeps one idempotency key over all its tries, so that a try whose answer was lost makes no second image. What
 * the batch has already is not sent (`sortOut`), and what is on its way is not sent twice.
 */

import { shallowReactive, type ShallowReactive, type ShallowRef } from 'vue'
import { RequestError, type Api } from '../api'
import type { Image, Problem } from '../protocol'
import { waitMs, type Backoff } from '../rules/backoff'
import { fileProblem, problemOf } from '../rules/fileProblem'
import { identityOf, MOST_FILE_BYTES, type OfferedFile } from '../rules/files'
import { makeQueue } from '../rules/queue'
import { makeHold } from './hold'
import { sortOut } from './sortOut'
import { isWhollySent, makeLedger, type Arrival, type Item, type PendingFile, type UploadSummary } from './uploadLedger'
import type { NextFrame } from './useFrame'

export type { PendingFile, UploadSummary } from './uploadLedger'

/** As many files travel at once. A browser opens six connections, and two are left for small pictures and questions. */
export const PARALLEL_UPLOADS = 4

/** How the next try of a single file waits. */
export const RETRY: Backoff = { firstMs: 500, longestMs: 20_000 }

/** A manager that says it has failed is tried as often with a file. */
export const TRIES_AFTER_ERRORS = 6

/** What uploads need from outside. */
export interface UploadNeeds {
  readonly api: Pick<Api, 'upload' | 'known'>
  /** The batch to send to, made when there is none yet. */
  batch(): Promise<string>
  /** The images of the batch, once they are all known. */
  images(): Promise<Iterable<Image>>
  /** The SHA-256 of a file. Rejects with a `FileProblem`, or with a `RequestError` when nobody can tell now. */
  digest(file: File): Promise<string>
  /** Called with files that are no longer pending. */
  onArrived(arrivals: readonly Arrival[]): void
  /** 0..1. */
  chance(): number
  /** An unguessable text, new with every call. */
  newKey(): string
  nowMs(): number
  /** The browser's own where it is not said. */
  readonly nextFrame?: NextFrame
}

/** The files on their way, and what may be done with them. */
export interface Uploads {
  /** In the order of choosing. A file that has arrived is no longer here. */
  readonly pending: ReadonlyMap<string, ShallowReactive<PendingFile>>
  readonly summary: Readonly<ShallowRef<UploadSummary>>
  /** The first of those that have failed. */
  readonly failures: Readonly<ShallowRef<readonly PendingFile[]>>
  /** Sends what was offered at once and is neither there nor on its way. */
  add(files: readonly OfferedFile[]): void
  /** Nothing travels until `resume`. A file that was half sent begins anew; one whose bytes have all gone ends. */
  pause(): void
  resume(): void
  /** Forgets all that is not sent and has not failed. */
  cancel(): void
  /** Tries a failed file again. */
  retry(key: string): void
  retryFailed(): void
  /** Forgets a file, and stops sending it. */
  dismiss(key: string): void
  dismissFailed(): void
  /** Tries at once what waits for the manager: it is back, or lets this page in. */
  hurry(): void
  /** Forgets what has been, when nothing is on its way. */
  clear(): void
}

/** Nothing is on its way yet. */
export function useUploads(needs: UploadNeeds): Uploads {
  const hold = makeHold(needs.chance, pump)
  const queue = makeQueue<Item>()
  /** Requests, those included whose file was taken back and that have not ended yet. */
  let requests = 0
  let isPaused = false
  const onResume: (() => void)[] = []
  const ledger = makeLedger({
    onArrived: needs.onArrived,
    // Who asks to pause means what is on its way, not what comes another day.
    onEmpty: resume,
    isPaused: () => isPaused,
    obstacle: () => hold.problem,
    nowMs: needs.nowMs,
    nextFrame: needs.nextFrame,
  })

  // Coming in.

  function add(files: readonly OfferedFile[]): void {
    if (ledger.openFiles === 0) ledger.beginAnew()
    const fresh: Item[] = []
    for (const offered of files) {
      const before = ledger.byIdentity.get(identityOf(offered))
      if (before !== undefined && before.state !== 'failed') {
        ledger.countThere()
        continue
      }
      // What has failed is replaced by what is offered now.
      if (before !== undefined) ledger.leave(before)
      fresh.push(itemOf(offered, needs.newKey()))
    }
    // Only now, so that two of one drop are not taken for one.
    fresh.forEach(ledger.enter)
    for (const item of fresh) if (item.file.size > MOST_FILE_BYTES) ledger.become(item, 'failed', TOO_LARGE)
    void sort(fresh.filter(isChecked))
  }

  function sort(fresh: readonly Item[]): Promise<void> {
    return sortOut(fresh, {
      images: needs.images,
      // A digest says nothing of the manager, but a worker that could not be fetched does.
      digest: (file) => insist(() => needs.digest(file), () => {}),
      known,
      async isMeant(item) {
        if (isPaused) await new Promise<void>((resumed) => onResume.push(resumed))
        return isChecked(item)
      },
      onMissing(item) {
        if (isChecked(item)) enqueue(item)
      },
      onThere(item) {
        if (isChecked(item)) ledger.leave(item, 'there')
      },
      onUnreadable(item, problem) {
        if (isChecked(item)) ledger.become(item, 'failed', problemOf(problem))
      },
    })
  }

  /** It may have been forgotten, or have failed with all others, while it was being sorted out. */
  function isChecked(item: Item): boolean {
    return ledger.items.has(item.key) && item.state === 'checking'
  }

  /** What cannot be asked is answered with none: a file that is sent once more does no harm. */
  async function known(digests: readonly string[]): Promise<readonly string[]> {
    try {
      return await insist(async () => needs.api.known(await needs.batch(), digests), hold.answered)
    } catch {
      return []
    }
  }

  /** Asks until there is an answer, waiting as the uploads do. */
  async function insist<Answer>(ask: () => Promise<Answer>, onAnswer: () => void): Promise<Answer> {
    for (;;) {
      await hold.untilRoom()
      try {
        const answer = await ask()
        onAnswer()
        return answer
      } catch (error) {
        if (!(error instanceof RequestError && concernsAll(error))) throw error
        hold.failed(error)
        ledger.showSoon()
      }
    }
  }

  function enqueue(item: Item): void {
    ledger.become(item, 'queued')
    queue.put(item)
    pump()
  }

  // Going out.

  function pump(): void {
    while (!isPaused && requests < Math.min(PARALLEL_UPLOADS, hold.room)) {
      const item = queue.take()
      if (item === undefined) return
      // A place in the queue outlasts a file that was forgotten.
      if (ledger.items.has(item.key) && item.state === 'queued') void send(item)
    }
  }

  async function send(item: Item): Promise<void> {
    const attempt = (item.attempt += 1)
    const isCurrent = () => item.attempt === attempt
    requests += 1
    ledger.become(item, 'sending')
    try {
      const batch = await needs.batch()
      if (!isCurrent()) return
      item.upload = needs.api.upload(batch, item.file, item.key, (share) => {
        if (isCurrent()) ledger.progress(item, share)
      })
      const images = await item.upload.images
      hold.answered()
      if (isCurrent()) ledger.arrive(item, images)
    } catch (error) {
      if (isCurrent()) await onFailure(item, error, isCurrent)
    } finally {
      if (isCurrent()) item.upload = null
      requests -= 1
      pump()
    }
  }

  async function onFailure(item: Item, cause: unknown, isCurrent: () => boolean): Promise<void> {
    const error = cause instanceof RequestError ? cause : new RequestError(0, 'unknown', String(cause))
    // A file that cannot be read any more fails as if the network had.
    const unreadable = error.code === 'unreachable' ? await fileProblem(item.file) : null
    if (!isCurrent()) return
    if (unreadable !== null) return ledger.become(item, 'failed', problemOf(unreadable))
    const problem: Problem = { code: error.code, message: error.message }
    if (endsBatch(error)) return failAll(problem)
    if (concernsAll(error)) {
      hold.failed(error)
      return putBack(item)
    }
    hold.answered()
    item.failures += 1
    if (!isWorthAnotherTry(error, item.failures)) return ledger.become(item, 'failed', problem)
    ledger.become(item, 'waiting', problem)
    item.timer = setTimeout(enqueue, waitMs(RETRY, item.failures, needs.chance(), error.retryAfterMs), item)
  }

  /** Nothing more can come into the batch: thousands need not find out one by one. */
  function failAll(problem: Problem): void {
    queue.clear()
    for (const item of ledger.items.values()) {
      if (item.state === 'failed') continue
      takeBack(item)
      ledger.become(item, 'failed', problem)
    }
  }

  // What a person may do.

  function pause(): void {
    if (isPaused || ledger.openFiles === 0) return
    isPaused = true
    for (const item of [...ledger.travelling].toReversed()) if (!isWhollySent(item)) putBack(item)
    ledger.showSoon()
  }

  function resume(): void {
    if (!isPaused) return
    isPaused = false
    for (const wake of onResume.splice(0)) wake()
    pump()
    ledger.showSoon()
  }

  function cancel(): void {
    queue.clear()
    for (const item of [...ledger.items.values()]) {
      if (item.state === 'failed' || isWhollySent(item)) continue
      takeBack(item)
      ledger.leave(item, 'cancelled')
    }
    resume()
  }

  function retry(item: Item | undefined): void {
    if (item?.state !== 'failed' || !isWorthRetrying(item)) return
    if (ledger.openFiles === 0) ledger.beginAnew()
    item.failures = 0
    enqueue(item)
  }

  function dismiss(item: Item | undefined): void {
    if (item === undefined) return
    takeBack(item)
    ledger.leave(item)
  }

  function putBack(item: Item): void {
    takeBack(item)
    ledger.become(item, 'queued')
    queue.putFirst(item)
  }

  return {
    pending: ledger.pending,
    summary: ledger.summary,
    failures: ledger.failures,
    add,
    pause,
    resume,
    cancel,
    retry: (key) => retry(ledger.items.get(key)),
    retryFailed: () => [...ledger.failed].forEach(retry),
    dismiss: (key) => dismiss(ledger.items.get(key)),
    dismissFailed: () => [...ledger.failed].forEach(dismiss),
    hurry: hold.hurry,
    clear() {
      if (ledger.openFiles === 0) ledger.beginAnew()
    },
  }
}

function itemOf({ file, path }: OfferedFile, key: string): Item {
  return {
    key,
    file,
    path,
    identity: identityOf({ file, path }),
    shown: shallowReactive<PendingFile>({ key, file, state: 'checking', share: 0, problem: null }),
    state: 'checking',
    problem: null,
    sentBytes: 0,
    attempt: 0,
    failures: 0,
    upload: null,
    timer: undefined,
  }
}

/** Ends whatever is under way for a file. */
function takeBack(item: Item): void {
  clearTimeout(item.timer)
  item.attempt += 1
  item.upload?.abort()
  item.upload = null
}

/** As the manager says it. */
const TOO_LARGE: Problem = { code: 'too_large', message: `The file is larger than ${MOST_FILE_BYTES} bytes.` }

/**
 * The token does not count any more, and another may be given (401); the manager asks to wait (429), is not there (502 to 504),
 * or has no room until workers are further (507).
 */
const STATUSES_OF_ALL = [401, 429, 502, 503, 504, 507]

/** No right to do this, no such batch (any more), or a batch that holds no more. */
const STATUSES_OF_THE_END = [403, 404, 410, 413]

/** Whether every other file would be answered the same now, and may be answered otherwise later. */
function concernsAll(error: RequestError): boolean {
  return error.code === 'unreachable' || STATUSES_OF_ALL.includes(error.status)
}

function endsBatch(error: RequestError): boolean {
  return STATUSES_OF_THE_END.includes(error.status)
}

/** Refusals stay refusals. A link that was too slow may be faster; an error of the manager may pass. */
function isWorthAnotherTry(error: RequestError, failures: number): boolean {
  return error.status === 408 || (error.status >= 500 && failures < TRIES_AFTER_ERRORS)
}

/** A file that is too large stays so, and one that was deleted or changed has to be chosen again. */
export function isWorthRetrying({ problem }: Pick<PendingFile, 'problem'>): boolean {
  return !['too_large', 'deleted', 'changed'].includes(problem?.code ?? '')
}
