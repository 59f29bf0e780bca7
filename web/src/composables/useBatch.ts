/**
 * What this page knows of its batch: the images, and what the manager says beside them.
 *
 * The events come first with a snapshot and then with changes. What a snapshot has no room for is read by pages. Until
 * those pages are in, a lost connection resumes from where it stood before the snapshot, so that nothing is skipped.
 */

import { computed, ref, shallowReactive, shallowRef, triggerRef, type Ref, type ShallowRef } from 'vue'
import { RequestError, type Api } from '../api'
import { pageDigestOf } from '../pageDigest'
import type { BatchPage, Event, Image, Problem, Status } from '../protocol'
import { waitMs, type Backoff } from '../rules/backoff'
import { keepOnly, strikeOut, takeIn, type Book } from '../rules/merge'
import { useEvents, type Connection, type Outage, type Socket } from './useEvents'
import { oncePerFrame } from './useFrame'

/** As many images are asked for at a time: the most that the manager puts on a page. */
export const PAGE_SIZE = 1000

/** How a page that could not be read is asked for again. */
export const REREAD: Backoff = { firstMs: 500, longestMs: 10_000 }

/** The manager's answers that waiting does not mend: no right to see the batch, or no such batch. */
const FINAL_STATUSES = [401, 403, 404, 410]

/** `none`: there is no batch yet. `ended`: it cannot be shown (any more), `ending` says why. */
export type BatchPhase = 'none' | 'loading' | 'ready' | 'ended'

/** What is known of the batch, and what may be asked of it. */
export interface Batch {
  readonly id: Readonly<Ref<string | null>>
  readonly phase: Readonly<Ref<BatchPhase>>
  /** Why the batch cannot be shown. `gone`: it was here, and was deleted or has expired meanwhile. */
  readonly ending: Readonly<ShallowRef<Problem | null>>
  readonly connection: Readonly<Ref<Connection>>
  readonly outage: Readonly<ShallowRef<Outage | null>>
  /** Each image by its id. A reader of one image is told of changes of that one only. */
  readonly images: ReadonlyMap<string, Image>
  /** The ids in upload order. Who follows it is told once a frame, however many images come. */
  readonly order: Readonly<ShallowRef<readonly string[]>>
  /** Rises when any image has changed, once a frame: for who reads all images. */
  readonly changes: Readonly<Ref<number>>
  readonly status: Readonly<ShallowRef<Status | null>>
  /** Whether the manager serves another page than this one by now. */
  readonly isOutdated: Readonly<Ref<boolean>>
  /** Shows the batch `id`. Once in the life of a page. */
  open(id: string): void
  /** Takes in images that came as the answer to an upload. */
  takeIn(images: readonly Image[]): void
  /** Tries the connection now rather than when its wait is over. */
  reconnect(): void
  /** Connects anew where it is connected: as somebody else, since a token was given or given up. */
  renew(): void
  /** Ends the connection. */
  close(): void
}

/** What a batch needs from outside. All of it is the browser's own where a test says nothing else. */
export interface BatchNeeds {
  openSocket(url: string): Socket
  /** The token does not count any more. The batch is still seen, by its address. */
  onTurnedAway(): void
  /** 0..1. */
  chance(): number
  /** The time in milliseconds. */
  now(): number
  /** The digest of the page that runs; null where none is known, as while developing. */
  readonly pageDigest: string | null
}

/** Knows no batch until `open`. */
export function useBatch(api: Pick<Api, 'page' | 'eventsUrl'>, own: Partial<BatchNeeds> = {}): Batch {
  const needs: BatchNeeds = {
    openSocket: (url) => new WebSocket(url) as unknown as Socket,
    onTurnedAway: () => {},
    chance: Math.random,
    now: Date.now,
    pageDigest: pageDigestOf(),
    ...own,
  }
  const id = ref<string | null>(null)
  const phase = ref<BatchPhase>('none')
  const ending = shallowRef<Problem | null>(null)
  const status = shallowRef<Status | null>(null)
  const order = shallowRef<string[]>([])
  const changes = ref(0)
  const book: Book = { images: shallowReactive(new Map<string, Image>()), order: order.value, deleted: new Set() }
  /**
   * Images that are known from the answer to their upload only. A whole snapshot that was read while they were being
   * stored lacks them, and says nothing against them.
   */
  const unseen = new Set<string>()
  /** The last change known with all that came before it. */
  let seen = 0
  /** Rises with each reading of pages, so that one that was overtaken stops. */
  let reading = 0

  /** Whether ids have come or gone that nobody was told of yet. */
  let orderHasChanged = false
  const tell = oncePerFrame(() => {
    if (orderHasChanged) triggerRef(order)
    orderHasChanged = false
    changes.value += 1
  })

  const events = useEvents({
    open(from) {
      // What was stored before this connection asks is in what it gets.
      unseen.clear()
      return needs.openSocket(api.eventsUrl(id.value ?? '', from))
    },
    from: () => seen,
    onEvent,
    onRefused: () => void askWhetherEnded(),
    onTurnedAway: needs.onTurnedAway,
    chance: needs.chance,
    now: needs.now,
  })

  function onEvent(event: Event): void {
    switch (event.type) {
      case 'snapshot':
        return onSnapshot(event)
      case 'change':
        if (event.image) takeSeen([event.image])
        if (event.deleted !== null) strike([event.deleted])
        // While pages are read, not all before this change is known.
        if (phase.value === 'ready') seen = Math.max(seen, event.seq)
        return
      case 'status':
        status.value = event
        return
      case 'gone':
        return end({ code: 'gone', message: 'the batch was deleted, or it has expired' })
      default:
      // A newer manager says things that this page knows nothing of.
    }
  }

  function onSnapshot(snapshot: Event & { type: 'snapshot' }): void {
    reading += 1
    const before = order.value.filter((known) => !unseen.has(known))
    takeSeen(snapshot.images)
    strike(snapshot.deleted)
    status.value = snapshot.status
    if (snapshot.more) {
      phase.value = 'loading'
      void readPages(snapshot.seq, before, reading)
      return
    }
    if (snapshot.complete) keep(new Set(snapshot.images.map((image) => image.id)), before)
    seen = snapshot.seq
    phase.value = 'ready'
  }

  /** Reads the whole batch. Changes that arrive meanwhile are newer and stay. */
  async function readPages(seq: number, before: readonly string[], mine: number): Promise<void> {
    const present = new Set<string>()
    let after: string | null = null
    do {
      const page = await readPage(after, mine)
      if (page === null) return
      takeSeen(page.images)
      for (const image of page.images) present.add(image.id)
      after = page.more ? (page.images.at(-1)?.id ?? null) : null
    } while (after !== null)
    keep(present, before)
    seen = seq
    phase.value = 'ready'
  }

  /** Reads one page, however long it takes. Null when another reading has taken over or the batch has ended. */
  async function readPage(after: string | null, mine: number): Promise<BatchPage | null> {
    for (let failures = 1; mine === reading; failures += 1) {
      try {
        const page = await api.page(id.value ?? '', after, PAGE_SIZE)
        return mine === reading ? page : null
      } catch (error) {
        if (mine === reading) endIfFinal(error)
      }
      await new Promise((resolve) => setTimeout(resolve, waitMs(REREAD, failures, needs.chance())))
    }
    return null
  }

  async function askWhetherEnded(): Promise<void> {
    try {
      await api.page(id.value ?? '', null, 1)
    } catch (error) {
      endIfFinal(error)
    }
  }

  function endIfFinal(error: unknown): void {
    if (error instanceof RequestError && FINAL_STATUSES.includes(error.status)) end({ code: error.code, message: error.message })
  }

  function end(why: Problem): void {
    reading += 1
    ending.value = why
    phase.value = 'ended'
    events.stop()
  }

  function takeAnswer(images: readonly Image[]): void {
    for (const image of images) if (!book.images.has(image.id)) unseen.add(image.id)
    takeImages(images)
  }

  function takeSeen(images: readonly Image[]): void {
    for (const image of images) unseen.delete(image.id)
    takeImages(images)
  }

  function takeImages(images: readonly Image[]): void {
    for (const image of images) orderHasChanged = takeIn(book, image) || orderHasChanged
    if (images.length > 0) tell()
  }

  function strike(ids: readonly string[]): void {
    for (const one of ids) orderHasChanged = strikeOut(book, one) || orderHasChanged
    if (ids.length > 0) tell()
  }

  function keep(present: ReadonlySet<string>, before: readonly string[]): void {
    if (!keepOnly(book, present, before)) return
    orderHasChanged = true
    tell()
  }

  return {
    id,
    phase,
    ending,
    connection: events.connection,
    outage: events.outage,
    images: book.images,
    order,
    changes,
    status,
    isOutdated: computed(() => needs.pageDigest !== null && (status.value?.page ?? needs.pageDigest) !== needs.pageDigest),
    open(batch) {
      id.value = batch
      phase.value = 'loading'
      events.connect()
    },
    takeIn: takeAnswer,
    reconnect() {
      if (events.connection.value === 'lost') events.connect()
    },
    renew() {
      if (events.connection.value !== 'off') events.connect()
    },
    close() {
      reading += 1
      events.stop()
    },
  }
}
