/**
 * Sends files to the batch, a few at a time, until each has arrived or was refused for good.
 *
 * A file keeps one idempotency key over all its tries, so that a try whose answer was lost makes no second image. What
 * happens to a file costs the same whether ten or ten thousand are on their way, and is shown with the next frame.
 */

import { shallowReactive, shallowRef, type ShallowReactive, type ShallowRef } from 'vue'
import { RequestError, type Api, type Upload } from '../api'
import type { Image, Problem } from '../protocol'
import { waitMs, type Backoff } from '../rules/backoff'
import { fileProblem, problemOf } from '../rules/fileProblem'
import { identityOf, MOST_FILE_BYTES, type OfferedFile } from '../rules/files'
import { makePace } from '../rules/pace'
import { makeQueue } from '../rules/queue'
import { makeHold } from './hold'
import { sortOut } from './sortOut'
import { oncePerFrame, type NextFrame } from './useFrame'

/** As many files travel at once. A browser opens six connections, and two are left for small pictures and questions. */
export const PARALLEL_UPLOADS = 4

/** How the next try of a single file waits. */
export const RETRY: Backoff = { firstMs: 500, longestMs: 20_000 }

/** A manager that says it has failed is tried as often with a file. */
export const TRIES_AFTER_ERRORS = 6

/** As many of those that have failed are listed; the others are counted. */
export const FAILURES_LISTED = 20

/** While files travel, time left and pace are told anew at least so often. */
const TICK_MS = 1_000

/**
 * `checking`: whether it is there already is being found out. `queued`: its turn has not come. `waiting`: tries again by
 * itself in a while. `failed`: `problem` says why.
 */
export type UploadState = 'checking' | 'queued' | 'sending' | 'waiting' | 'failed'

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

/** All files since nothing was on its way last. */
export interface UploadSummary {
  /** `waiting`: for the manager, `problem` says why. `idle`: nothing is on its way. */
  readonly state: 'idle' | 'checking' | 'sending' | 'paused' | 'waiting'
  readonly problem: Problem | null
  /** Those to be sent and those that were. What is there already, has failed or was taken back is not among them. */
  readonly files: number
  readonly bytes: number
  readonly doneFiles: number
  /** With what has gone of files that travel. */
  readonly doneBytes: number
  /** Of `files`, those of which is not known yet whether they are there already. */
  readonly checking: number
  readonly failed: number
  /** Files that were not sent because the batch has them, or because they were on their way. */
  readonly alreadyThere: number
  readonly cancelled: number
  /** Bytes per second; null while too little is known. */
  readonly bytesPerS: number | null
  readonly secondsLeft: number | null
}

/** A file that has arrived, and the images that came of it. */
export interface Arrival {
  readonly key: string
  readonly images: readonly Image[]
}

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
  /** Tries at once what waits for the manager: it is back. */
  hurry(): void
  /** Forgets what has been, when nothing is on its way. */
  clear(): void
}

/** A file on its way as it is now; `shown` is as it was at the last frame. */
interface Item extends OfferedFile {
  readonly key: string
  readonly identity: string
  readonly shown: ShallowReactive<PendingFile>
  state: UploadState
  sentBytes: number
  problem: Problem | null
  /** Rises with each try, and when a try is taken back. */
  attempt: number
  /** Errors of the manager with this file. */
  failures: number
  upload: Upload | null
  timer: ReturnType<typeof setTimeout> | undefined
}

const NOTHING: UploadSummary = {
  state: 'idle',
  problem: null,
  files: 0,
  bytes: 0,
  doneFiles: 0,
  doneBytes: 0,
  checking: 0,
  failed: 0,
  alreadyThere: 0,
  cancelled: 0,
  bytesPerS: null,
  secondsLeft: null,
}

/** Nothing is on its way yet. */
export function useUploads(needs: UploadNeeds): Uploads {
  const pending = shallowReactive(new Map<string, ShallowReactive<PendingFile>>())
  const summary = shallowRef(NOTHING)
  const failures = shallowRef<readonly PendingFile[]>([])

  const items = new Map<string, Item>()
  const byIdentity = new Map<string, Item>()
  const queue = makeQueue<Item>()
  const travelling = new Set<Item>()
  const failed = new Set<Item>()
  /** Requests, those included whose file was taken back and that have not ended yet. */
  let requests = 0
  let isPaused = false
  /** Why the file waits that began to wait last. */
  let lastWait: Problem | null = null
  let onResume: (() => void)[] = []

  const open = { files: 0, bytes: 0, checking: 0 }
  let past = { files: 0, bytes: 0, alreadyThere: 0, cancelled: 0 }
  const pace = makePace()

  const hold = makeHold(needs.chance, pump)
  const showSoon = oncePerFrame(show, needs.nextFrame)
  let tick: ReturnType<typeof setTimeout> | undefined
  let changed = new Set<Item>()
  let arrivals: Arrival[] = []

  // What happens to a file.

  function enter(item: Item): void {
    items.set(item.key, item)
    byIdentity.set(item.identity, item)
    count(item, 1)
    touch(item)
  }

  function become(item: Item, state: UploadState, problem: Problem | null = null): void {
    count(item, -1)
    item.state = state
    item.problem = problem
    if (state !== 'sending') item.sentBytes = 0
    count(item, 1)
    touch(item)
  }

  /** Ends whatever is under way for it. */
  function takeBack(item: Item): void {
    clearTimeout(item.timer)
    travelling.delete(item)
    item.attempt += 1
    item.upload?.abort()
    item.upload = null
  }

  function leave(item: Item): void {
    takeBack(item)
    count(item, -1)
    items.delete(item.key)
    if (byIdentity.get(item.identity) === item) byIdentity.delete(item.identity)
    // Who asks to pause means what is on its way, not what comes another day.
    if (open.files === 0) resume()
    touch(item)
  }

  function count(item: Item, by: 1 | -1): void {
    if (item.state === 'failed') {
      if (by > 0) failed.add(item)
      else failed.delete(item)
      return
    }
    open.files += by
    open.bytes += by * item.file.size
    if (item.state === 'checking') open.checking += by
  }

  // Coming in.

  function add(files: readonly OfferedFile[]): void {
    if (open.files === 0) beginAnew()
    const fresh: Item[] = []
    for (const offered of files) {
      const before = byIdentity.get(identityOf(offered))
      if (before !== undefined && before.state !== 'failed') past.alreadyThere += 1
      else fresh.push(itemOf(offered, before))
    }
    // Only now, so that two of one drop are not taken for one.
    fresh.forEach(enter)
    const sendable = fresh.filter(({ file }) => file.size <= MOST_FILE_BYTES)
    for (const item of fresh) if (item.file.size > MOST_FILE_BYTES) become(item, 'failed', TOO_LARGE)
    showSoon()
    void sortOut(sendable, {
      images: needs.images,
      digest: (file) => insist(() => needs.digest(file)),
      known,
      async isMeant(item) {
        if (isPaused) await new Promise<void>((resumed) => onResume.push(resumed))
        return isChecked(item)
      },
      onMissing(item) {
        if (isChecked(item)) enqueue(item)
      },
      onThere(item) {
        if (!isChecked(item)) return
        past.alreadyThere += 1
        leave(item)
      },
      onUnreadable(item, problem) {
        if (isChecked(item)) become(item, 'failed', problemOf(problem))
      },
    })
  }

  /** It may have been forgotten, or have failed with all others, while it was being sorted out. */
  function isChecked(item: Item): boolean {
    return items.has(item.key) && item.state === 'checking'
  }

  /** `failed` is the same file, which this is to replace. */
  function itemOf({ file, path }: OfferedFile, failed: Item | undefined): Item {
    if (failed !== undefined) leave(failed)
    const key = needs.newKey()
    const shown = shallowReactive<PendingFile>({ key, file, state: 'checking', share: 0, problem: null })
    const fresh = { state: 'checking', sentBytes: 0, problem: null, attempt: 0, failures: 0, upload: null } as const
    return { ...fresh, key, file, path, identity: identityOf({ file, path }), shown, timer: undefined }
  }

  /** What cannot be asked is answered with none: a file that is sent once more does no harm. */
  async function known(digests: readonly string[]): Promise<readonly string[]> {
    try {
      return await insist(async () => needs.api.known(await needs.batch(), digests))
    } catch {
      return []
    }
  }

  /** Asks until there is an answer, waiting as the uploads do. */
  async function insist<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      await hold.untilRoom()
      try {
        const answer = await ask()
        hold.answered()
        return answer
      } catch (error) {
        if (!(error instanceof RequestError && concernsAll(error))) throw error
        hold.failed(error)
        showSoon()
      }
    }
  }

  function enqueue(item: Item): void {
    become(item, 'queued')
    queue.put(item)
    pump()
  }

  // Going out.

  function pump(): void {
    while (!isPaused && requests < Math.min(PARALLEL_UPLOADS, hold.room)) {
      const item = queue.take()
      if (item === undefined) return
      // A place in the queue outlasts a file that was forgotten, or that is tried again out of its turn.
      if (items.has(item.key) && item.state === 'queued') void send(item)
    }
  }

  async function send(item: Item): Promise<void> {
    const attempt = (item.attempt += 1)
    const isCurrent = () => item.attempt === attempt
    requests += 1
    travelling.add(item)
    become(item, 'sending')
    try {
      const batch = await needs.batch()
      if (!isCurrent()) return
      item.upload = needs.api.upload(batch, item.file, item.key, (share) => {
        if (!isCurrent()) return
        item.sentBytes = share * item.file.size
        touch(item)
      })
      const images = await item.upload.images
      hold.answered()
      if (isCurrent()) arrive(item, images)
    } catch (error) {
      if (isCurrent()) await fail(item, error, isCurrent)
    } finally {
      if (isCurrent()) travelling.delete(item)
      requests -= 1
      pump()
    }
  }

  function arrive(item: Item, images: readonly Image[]): void {
    item.upload = null
    past.files += 1
    past.bytes += item.file.size
    arrivals.push({ key: item.key, images })
    leave(item)
  }

  async function fail(item: Item, cause: unknown, isCurrent: () => boolean): Promise<void> {
    const error = cause instanceof RequestError ? cause : new RequestError(0, 'unknown', String(cause))
    const unreadable = error.code === 'unreachable' ? await fileProblem(item.file) : null
    if (!isCurrent()) return
    item.upload = null
    takeBack(item)
    if (unreadable !== null) return become(item, 'failed', problemOf(unreadable))
    const problem: Problem = { code: error.code, message: error.message }
    if (endsBatch(error)) return failAll(problem)
    if (concernsAll(error)) {
      hold.failed(error)
      become(item, 'queued')
      return queue.putFirst(item)
    }
    hold.answered()
    item.failures += 1
    if (!isWorthAnotherTry(error, item.failures)) return become(item, 'failed', problem)
    lastWait = problem
    become(item, 'waiting', problem)
    item.timer = setTimeout(enqueue, Math.max(waitMs(RETRY, item.failures, needs.chance()), error.retryAfterMs ?? 0), item)
  }

  /** Nothing more can come into the batch: thousands need not find out one by one. */
  function failAll(problem: Problem): void {
    queue.clear()
    for (const item of items.values()) {
      if (item.state === 'failed') continue
      takeBack(item)
      become(item, 'failed', problem)
    }
  }

  function pause(): void {
    if (isPaused || open.files === 0) return
    isPaused = true
    pace.forget()
    for (const item of [...travelling].toReversed()) {
      if (isWhollySent(item)) continue
      takeBack(item)
      become(item, 'queued')
      queue.putFirst(item)
    }
    showSoon()
  }

  function resume(): void {
    if (!isPaused) return
    isPaused = false
    const wake = onResume
    onResume = []
    for (const one of wake) one()
    pump()
    showSoon()
  }

  function cancel(): void {
    queue.clear()
    for (const item of [...items.values()]) {
      if (item.state === 'failed' || isWhollySent(item)) continue
      past.cancelled += 1
      leave(item)
    }
    resume()
  }

  function retry(item: Item | undefined): void {
    if (item?.state !== 'failed' || !isWorthRetrying(item)) return
    if (open.files === 0) beginAnew()
    item.failures = 0
    enqueue(item)
  }

  function beginAnew(): void {
    past = { files: 0, bytes: 0, alreadyThere: 0, cancelled: 0 }
    pace.forget()
    showSoon()
  }

  // Being shown.

  function touch(item: Item): void {
    changed.add(item)
    showSoon()
  }

  function show(): void {
    const [touched, arrived] = [changed, arrivals]
    changed = new Set()
    arrivals = []
    for (const item of touched) showItem(item)
    if (arrived.length > 0) needs.onArrived(arrived)
    failures.value = [...firstOf(failed, FAILURES_LISTED)].map(({ shown }) => shown)
    summary.value = summarise()
    clearTimeout(tick)
    if (summary.value.state === 'sending') tick = setTimeout(showSoon, TICK_MS)
  }

  function showItem(item: Item): void {
    if (!items.has(item.key)) {
      pending.delete(item.key)
      return
    }
    item.shown.state = item.state
    item.shown.problem = item.problem
    item.shown.share = item.file.size > 0 ? item.sentBytes / item.file.size : 0
    if (!pending.has(item.key)) pending.set(item.key, item.shown)
  }

  function summarise(): UploadSummary {
    let goneBytes = past.bytes
    for (const item of travelling) goneBytes += item.sentBytes
    const state = stateNow(goneBytes > past.bytes)
    if (state === 'sending') pace.note(needs.nowMs(), goneBytes)
    else pace.forget()
    const bytes = past.bytes + open.bytes
    const bytesPerS = pace.bytesPerS()
    return {
      state,
      problem: state === 'waiting' ? (hold.problem ?? lastWait) : null,
      files: past.files + open.files,
      bytes,
      doneFiles: past.files,
      doneBytes: goneBytes,
      checking: open.checking,
      failed: failed.size,
      alreadyThere: past.alreadyThere,
      cancelled: past.cancelled,
      bytesPerS,
      secondsLeft: bytesPerS !== null && bytesPerS > 0 ? (bytes - goneBytes) / bytesPerS : null,
    }
  }

  function stateNow(bytesTravel: boolean): UploadSummary['state'] {
    if (open.files === 0) return 'idle'
    if (isPaused) return 'paused'
    if (hold.problem !== null && !bytesTravel) return 'waiting'
    if (travelling.size > 0 || queue.length > 0) return 'sending'
    return open.checking > 0 ? 'checking' : 'waiting'
  }

  return {
    pending,
    summary,
    failures,
    add,
    pause,
    resume,
    cancel,
    retry: (key) => retry(items.get(key)),
    retryFailed: () => [...failed].forEach(retry),
    dismiss(key) {
      const item = items.get(key)
      if (item !== undefined) leave(item)
    },
    dismissFailed: () => [...failed].forEach(leave),
    hurry: hold.hurry,
    clear() {
      if (open.files === 0) beginAnew()
    },
  }
}

/** As the manager says it. */
const TOO_LARGE: Problem = { code: 'too_large', message: `The file is larger than ${MOST_FILE_BYTES} bytes.` }

/** The manager asks to wait (429), is not there (502 to 504), or has no room until workers are further (507). */
const STATUSES_OF_ALL = [429, 502, 503, 504, 507]

/** No right to the batch, no such batch (any more), or a batch that holds no more. */
const STATUSES_OF_THE_END = [401, 403, 404, 410, 413]

/** Whether every other file would be answered the same now, and may be answered otherwise later. */
export function concernsAll(error: RequestError): boolean {
  return error.code === 'unreachable' || STATUSES_OF_ALL.includes(error.status)
}

function endsBatch(error: RequestError): boolean {
  return STATUSES_OF_THE_END.includes(error.status)
}

/** Refusals stay refusals. A link that was too slow may be faster; an error of the manager may pass. */
export function isWorthAnotherTry(error: RequestError, failures: number): boolean {
  return error.status === 408 || (error.status >= 500 && failures < TRIES_AFTER_ERRORS)
}

/** A file that is too large stays so, and one that was deleted or changed has to be chosen again. */
export function isWorthRetrying({ problem }: Pick<PendingFile, 'problem'>): boolean {
  return !['too_large', 'deleted', 'changed'].includes(problem?.code ?? '')
}

function isWhollySent({ state, sentBytes, file }: Item): boolean {
  return state === 'sending' && sentBytes >= file.size && file.size > 0
}

function* firstOf<One>(all: Iterable<One>, most: number): Generator<One> {
  let count = 0
  for (const one of all) {
    if (count === most) return
    count += 1
    yield one
  }
}
