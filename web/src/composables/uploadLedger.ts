/**
 * Which files are on their way and how they stand: counted as it happens, shown once a frame. Whatever happens to one of
 * ten thousand costs the same as to one of ten.
 */

import { shallowReactive, shallowRef, type ShallowReactive, type ShallowRef } from 'vue'
import type { Upload } from '../api'
import type { Image, Problem } from '../protocol'
import type { OfferedFile } from '../rules/files'
import { makePace } from '../rules/pace'
import { oncePerFrame, type NextFrame } from './useFrame'

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

/** A file on its way as it is now. What is read-only is the ledger's to change. */
export interface Item extends OfferedFile {
  readonly key: string
  /** The same for a file that is offered again. */
  readonly identity: string
  /** As it was at the last frame. */
  readonly shown: ShallowReactive<PendingFile>
  readonly state: UploadState
  readonly problem: Problem | null
  readonly sentBytes: number
  /** Rises with each try, and when a try is taken back. */
  attempt: number
  /** Errors of the manager with this file. */
  failures: number
  upload: Upload | null
  timer: ReturnType<typeof setTimeout> | undefined
}

/** What the ledger needs from outside. */
export interface LedgerNeeds {
  onArrived(arrivals: readonly Arrival[]): void
  /** Nothing is on its way any more. */
  onEmpty(): void
  isPaused(): boolean
  /** What all files wait for; null when they do not. */
  obstacle(): Problem | null
  nowMs(): number
  readonly nextFrame?: NextFrame | undefined
}

/** The files on their way. */
export interface Ledger {
  readonly pending: ReadonlyMap<string, ShallowReactive<PendingFile>>
  readonly summary: Readonly<ShallowRef<UploadSummary>>
  readonly failures: Readonly<ShallowRef<readonly PendingFile[]>>
  readonly items: ReadonlyMap<string, Item>
  readonly byIdentity: ReadonlyMap<string, Item>
  readonly failed: ReadonlySet<Item>
  readonly travelling: ReadonlySet<Item>
  /** Those that have not failed. */
  readonly openFiles: number
  /** What is counted from now on is another round. */
  beginAnew(): void
  enter(item: Item): void
  become(item: Item, state: UploadState, problem?: Problem | null): void
  progress(item: Item, share: number): void
  arrive(item: Item, images: readonly Image[]): void
  /** It is not to be sent (any more): because it is there, because a person said so, or for another reason. */
  leave(item: Item, why?: 'there' | 'cancelled'): void
  /** A file was offered that is on its way. */
  countThere(): void
  showSoon(): void
}

const NONE_YET = { files: 0, bytes: 0, alreadyThere: 0, cancelled: 0 }

/** An empty ledger. */
export function makeLedger(needs: LedgerNeeds): Ledger {
  const pending = shallowReactive(new Map<string, ShallowReactive<PendingFile>>())
  const failures = shallowRef<readonly PendingFile[]>([])
  const items = new Map<string, Item>()
  const byIdentity = new Map<string, Item>()
  const travelling = new Set<Item>()
  const failed = new Set<Item>()
  const open = { files: 0, bytes: 0, checking: 0, queued: 0 }
  let past = { ...NONE_YET }
  /** Why the file waits that began to wait last. */
  let lastProblem: Problem | null = null
  const pace = makePace()
  let changed = new Set<Item>()
  let arrivals: Arrival[] = []
  let tick: ReturnType<typeof setTimeout> | undefined
  const showSoon = oncePerFrame(show, needs.nextFrame)
  const summary = shallowRef(summarise())

  /** Last of all, when everything is counted: it may be shown at once. */
  function touch(item: Item): void {
    changed.add(item)
    showSoon()
  }

  function count(item: Item, by: 1 | -1): void {
    const group = item.state === 'failed' ? failed : item.state === 'sending' ? travelling : null
    if (by > 0) group?.add(item)
    else group?.delete(item)
    if (item.state === 'failed') return
    open.files += by
    open.bytes += by * item.file.size
    if (item.state === 'checking') open.checking += by
    if (item.state === 'queued') open.queued += by
  }

  function leave(item: Item): void {
    count(item, -1)
    items.delete(item.key)
    if (byIdentity.get(item.identity) === item) byIdentity.delete(item.identity)
    if (open.files === 0) needs.onEmpty()
    touch(item)
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
      problem: state === 'waiting' ? (needs.obstacle() ?? lastProblem) : null,
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
    if (needs.isPaused()) return 'paused'
    if (needs.obstacle() !== null && !bytesTravel) return 'waiting'
    if (travelling.size + open.queued > 0) return 'sending'
    return open.checking > 0 ? 'checking' : 'waiting'
  }

  return {
    pending,
    summary,
    failures,
    items,
    byIdentity,
    failed,
    travelling,
    get openFiles() {
      return open.files
    },
    beginAnew() {
      past = { ...NONE_YET }
      pace.forget()
      showSoon()
    },
    enter(item) {
      items.set(item.key, item)
      byIdentity.set(item.identity, item)
      count(item, 1)
      touch(item)
    },
    become(item, state, problem = null) {
      count(item, -1)
      Object.assign(item, { state, problem, sentBytes: 0 })
      count(item, 1)
      if (state === 'waiting') lastProblem = problem
      touch(item)
    },
    progress(item, share) {
      Object.assign(item, { sentBytes: share * item.file.size })
      touch(item)
    },
    arrive(item, images) {
      past.files += 1
      past.bytes += item.file.size
      arrivals.push({ key: item.key, images })
      leave(item)
    },
    leave(item, why) {
      if (why === 'there') past.alreadyThere += 1
      if (why === 'cancelled') past.cancelled += 1
      leave(item)
    },
    countThere() {
      past.alreadyThere += 1
      showSoon()
    },
    showSoon,
  }
}

/** Whether all bytes of a file have gone, so that it only waits to be stored. */
export function isWhollySent({ state, sentBytes, file }: Item): boolean {
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
