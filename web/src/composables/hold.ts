/**
 * One wait for everything that is asked of a manager that is away or asks to wait: ten thousand files do not each find
 * out for themselves, and when the wait is over one asks before all others do.
 */

import type { RequestError } from '../api'
import type { Problem } from '../protocol'
import { waitMs, type Backoff } from '../rules/backoff'

/** How the waits grow. */
export const HOLD: Backoff = { firstMs: 500, longestMs: 20_000 }

/** The wait, and what it is told. */
export interface Hold {
  /** What is waited for, until the manager has answered again. */
  readonly problem: Problem | null
  /** How many may ask now: none while the wait runs, one when it is over, any number once that one was answered. */
  readonly room: number
  /** The manager could not be asked, or it asks to wait. */
  failed(error: RequestError): void
  answered(): void
  /** The manager is back, or lets this page in again: the wait is over, unless it was the manager who asked for it. */
  hurry(): void
  /** Fulfilled when somebody may ask. */
  untilRoom(): Promise<void>
}

/** Nothing is waited for yet. `onRoom` is called when somebody may ask again. */
export function makeHold(chance: () => number, onRoom: () => void): Hold {
  let problem: Problem | null = null
  let failures = 0
  let timer: ReturnType<typeof setTimeout> | null = null
  const waiting: (() => void)[] = []

  function end(): void {
    if (timer !== null) clearTimeout(timer)
    timer = null
    for (const wake of waiting.splice(0)) wake()
    onRoom()
  }

  return {
    get problem() {
      return problem
    },
    get room() {
      if (timer !== null) return 0
      return problem === null ? Infinity : 1
    },
    failed({ code, message, retryAfterMs }) {
      problem = { code, message }
      // Those that were under way together fail together, which is one failure.
      if (timer !== null) return
      failures += 1
      timer = setTimeout(end, waitMs(HOLD, failures, chance(), retryAfterMs))
    },
    answered() {
      if (problem === null) return
      problem = null
      failures = 0
      end()
    },
    hurry() {
      if (timer !== null && (problem?.code === 'unreachable' || problem?.code.startsWith('token_'))) end()
    },
    untilRoom() {
      return timer === null ? Promise.resolve() : new Promise((wake) => waiting.push(wake))
    },
  }
}
