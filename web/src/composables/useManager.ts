/** What a page without a batch says of the manager: its workers and its model, asked for now and then by who may see them. */

import { shallowRef, type ShallowRef } from 'vue'
import type { Api } from '../api'
import type { Model, Worker } from '../protocol'
import type { Outage } from './useEvents'

/** Often enough to see the workers of a fresh `manyeyes up` arrive, seldom enough to cost nothing. */
export const ASK_EVERY_MS = 2_000

/** What the manager says, as of the last time it was asked. */
export interface Manager {
  /** Null before it has answered. */
  readonly workers: Readonly<ShallowRef<readonly Worker[] | null>>
  readonly model: Readonly<ShallowRef<Model | null>>
  /** Not null while it could not be asked. Times are those of `Date.now`. */
  readonly outage: Readonly<ShallowRef<Outage | null>>
  /** Asks, and goes on asking until `stop`. */
  start(): void
  /** Asks now rather than when its wait is over. */
  hurry(): void
  stop(): void
}

/** Has asked nothing yet. */
export function useManager(api: Pick<Api, 'workers' | 'model'>): Manager {
  const workers = shallowRef<readonly Worker[] | null>(null)
  const model = shallowRef<Model | null>(null)
  const outage = shallowRef<Outage | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  let running = false

  async function askOn(): Promise<void> {
    clearTimeout(timer)
    try {
      const [list, current] = await Promise.all([api.workers(), api.model()])
      if (!running) return
      workers.value = list.workers
      model.value = current
      outage.value = null
    } catch {
      if (!running) return
      outage.value = { since: outage.value?.since ?? Date.now(), nextTry: Date.now() + ASK_EVERY_MS }
    }
    clearTimeout(timer)
    timer = setTimeout(() => void askOn(), ASK_EVERY_MS)
  }

  return {
    workers,
    model,
    outage,
    start() {
      if (running) return
      running = true
      void askOn()
    },
    hurry() {
      if (running) void askOn()
    },
    stop() {
      running = false
      clearTimeout(timer)
      outage.value = null
    },
  }
}
