/** The time as components see it: one that ticks. Tests provide a clock of their own. */

import { inject, onScopeDispose, ref, type InjectionKey, type Ref } from 'vue'

/** A clock that does not jump, and a way to be told that time has passed. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number
  /** Calls `tick` every `everyMs` until the answer is called. */
  every(everyMs: number, tick: () => void): () => void
}

/** The clock of a page. */
export const CLOCK: InjectionKey<Clock> = Symbol('clock')

const browserClock: Clock = {
  now: () => performance.now(),
  every(everyMs, tick) {
    const timer = setInterval(tick, everyMs)
    return () => clearInterval(timer)
  },
}

/** The clock of the page, or the browser's own. */
export function useClock(): Clock {
  return inject(CLOCK, browserClock)
}

/** The time, as of the last tick. */
export function useNow(everyMs: number): Readonly<Ref<number>> {
  const clock = useClock()
  const now = ref(clock.now())
  onScopeDispose(clock.every(everyMs, () => (now.value = clock.now())))
  return now
}
