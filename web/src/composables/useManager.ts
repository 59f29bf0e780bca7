/** What a page without a batch says of the manager: its workers and its model, asked for now and then. */

import { shallowRef, type ShallowRef } from 'vue'
import { RequestError, type Api } from '../api'
import type { Model, Problem, Worker } from '../protocol'

/** Often enough to see the workers of a fresh `manyeyes up` arrive, seldom enough to cost nothing. */
export const ASK_EVERY_MS = 2_000

/** What the manager says, as of the last time it was asked. */
export interface Manager {
  /** Null before it has answered. */
  readonly workers: Readonly<ShallowRef<readonly Worker[] | null>>
  readonly model: Readonly<ShallowRef<Model | null>>
  /** Why it could not be asked. Null once nobody asks any more. */
  readonly problem: Readonly<ShallowRef<Problem | null>>
  /** Asks, and goes on asking until `stop`. */
  start(): void
  stop(): void
}

/** Has asked nothing yet. */
export function useManager(api: Pick<Api, 'workers' | 'model'>): Manager {
  const workers = shallowRef<readonly Worker[] | null>(null)
  const model = shallowRef<Model | null>(null)
  const problem = shallowRef<Problem | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  let running = false

  async function askOn(): Promise<void> {
    try {
      const [list, current] = await Promise.all([api.workers(), api.model()])
      if (!running) return
      workers.value = list.workers
      model.value = current
      problem.value = null
    } catch (error) {
      if (!running) return
      problem.value = error instanceof RequestError ? { code: error.code, message: error.message } : { code: 'unknown', message: String(error) }
    }
    timer = setTimeout(() => void askOn(), ASK_EVERY_MS)
  }

  return {
    workers,
    model,
    problem,
    start() {
      if (running) return
      running = true
      void askOn()
    },
    stop() {
      running = false
      clearTimeout(timer)
      problem.value = null
    },
  }
}
