/**
 * All that one page knows, and what its parts tell each other: the batch that the address names, the manager while there
 * is no batch, the files on their way, and what is seen of them. It lives as long as the page.
 */

import { computed, onScopeDispose, watch, type ComputedRef } from 'vue'
import type { Api } from '../api'
import type { Image, Model, Problem, Worker } from '../protocol'
import { useAccess, type Access } from './useAccess'
import { useAddress } from './useAddress'
import { useBatch, type Batch } from './useBatch'
import { useDigests } from './useDigests'
import type { Outage } from './useEvents'
import { useManager } from './useManager'
import { useNewerPage } from './useNewerPage'
import { useOffers, type Offers } from './useOffers'
import { usePictures, type Pictures } from './usePictures'
import { useUploads, type Uploads } from './useUploads'
import { useView, type BatchView } from './useView'

/** What is known, and what may be done. */
export interface Session {
  readonly access: Access
  readonly batch: Batch
  readonly uploads: Uploads
  readonly offers: Offers
  readonly pictures: Pictures
  readonly view: BatchView
  /** Null while nobody knows, and where they may not be seen. */
  readonly workers: ComputedRef<readonly Worker[] | null>
  readonly model: ComputedRef<Model | null>
  /** Files that have not reached the manager yet. */
  readonly unsent: ComputedRef<number>
  /** Not null while the manager cannot be reached. */
  readonly outage: ComputedRef<Outage | null>
  /** Whether the manager serves another page than this one by now. */
  readonly isOutdated: ComputedRef<boolean>
  /** Why nothing can be shown, and waiting does not help. */
  readonly ending: ComputedRef<Problem | null>
  /** Neither a picture nor a file on its way. */
  readonly isEmpty: ComputedRef<boolean>
  /** There is a batch, and nothing of it is known yet. */
  readonly isLoading: ComputedRef<boolean>
  /** Has an image recognised once more. */
  runAgain(image: string): Promise<void>
  /** Tries to reach the manager now. */
  reconnect(): void
  /** Gives a token, and goes on with what had to wait for it. Rejects with a `RequestError`. */
  logIn(token: string): Promise<void>
  logOut(): Promise<void>
}

/** Opens the batch that the address names; without one, asks the manager who is there. `token` is what the address had. */
export function useSession(api: Api, token: string | null): Session {
  const address = useAddress()
  const access = useAccess(api)
  // Why, the manager says of the token that this browser shows now.
  const batch = useBatch(api, { onTurnedAway: () => void access.start(null) })
  const manager = useManager(api)
  const pictures = usePictures()
  const uploads = useUploads({
    api,
    batch: batchToSendTo,
    images: imagesHere,
    digest: useDigests().of,
    chance: Math.random,
    newKey: newUploadKey,
    nowMs: () => performance.now(),
    onArrived(arrivals) {
      // One file makes one image; the answer names it even when the file was rejected.
      for (const { key, images } of arrivals) if (images[0]) pictures.handOn(key, images[0].id)
      batch.takeIn(arrivals.flatMap(({ images }) => images))
    },
  })
  const view = useView({ batch, files: () => [...uploads.pending.values()] })
  const offers = useOffers(uploads.add)
  const newerPage = useNewerPage(api, () => batch.id.value === null)
  const unsent = computed(() => uploads.summary.value.files - uploads.summary.value.doneFiles)
  const ending = computed(() => (batch.phase.value === 'ended' ? batch.ending.value : null))
  const outage = computed(() => (ending.value === null ? (batch.outage.value ?? manager.outage.value ?? access.outage.value) : null))
  /** The batch is made with the first file, so that looking at the page leaves nothing behind. */
  let creation: Promise<string> | null = null

  api.onTurnedAway(access.turnedAway)
  // A batch is seen by who has its address; only who comes with a token of its own waits for what that lets it see.
  void access.start(token).then(() => {
    if (token !== null && address.batch !== null) batch.open(address.batch)
    // What was dropped in the meantime came without the token.
    uploads.hurry()
  })
  if (token === null && address.batch !== null) batch.open(address.batch)
  watch(access.may, ({ seeWorkers }) => {
    if (seeWorkers && batch.id.value === null) manager.start()
    else manager.stop()
  })
  watch(outage, (now) => {
    if (now !== null) return
    uploads.hurry()
    void newerPage.ask()
  })
  window.addEventListener('online', reconnect)
  window.addEventListener('beforeunload', warnOfUnsent)
  onScopeDispose(() => {
    window.removeEventListener('online', reconnect)
    window.removeEventListener('beforeunload', warnOfUnsent)
    access.stop()
    manager.stop()
    batch.close()
  })

  async function batchToSendTo(): Promise<string> {
    if (batch.id.value !== null) return batch.id.value
    creation ??= createBatch()
    return creation
  }

  async function createBatch(): Promise<string> {
    try {
      const id = await api.createBatch()
      address.show(id)
      manager.stop()
      batch.open(id)
      return id
    } finally {
      // Made, the batch is known by its id; not made, the next try asks again.
      creation = null
    }
  }

  /** What may be told to be there already is only known when all of the batch is. */
  async function imagesHere(): Promise<Iterable<Image>> {
    if (batch.phase.value === 'loading') {
      await new Promise<void>((resolve) => watch(batch.phase, () => resolve(), { once: true }))
    }
    return batch.images.values()
  }

  function reconnect(): void {
    batch.reconnect()
    manager.hurry()
  }

  async function logIn(given: string): Promise<void> {
    await access.logIn(given)
    batch.renew()
    uploads.hurry()
  }

  async function logOut(): Promise<void> {
    await access.logOut()
    batch.renew()
  }

  function warnOfUnsent(event: BeforeUnloadEvent): void {
    if (unsent.value > 0) event.preventDefault()
  }

  return {
    access,
    batch,
    uploads,
    offers,
    pictures,
    view,
    workers: computed(() => (access.may.value.seeWorkers ? (batch.status.value?.workers ?? manager.workers.value) : null)),
    model: computed(() => batch.status.value?.model ?? (access.may.value.seeWorkers ? manager.model.value : null)),
    unsent,
    outage,
    isOutdated: computed(() => batch.isOutdated.value || newerPage.isThere.value),
    ending,
    isEmpty: computed(() => batch.phase.value === 'none' && uploads.pending.size === 0),
    isLoading: computed(() => batch.phase.value === 'loading' && batch.order.value.length + uploads.pending.size === 0),
    async runAgain(image) {
      batch.takeIn([await api.retry(batch.id.value ?? '', image)])
    },
    reconnect,
    logIn,
    logOut,
  }
}

/** `crypto.randomUUID` exists in secure contexts only, and a manager in the local network is none. */
function newUploadKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
