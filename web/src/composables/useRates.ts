/** The throughput of a batch as a curve that moves with time, also when nothing comes. */

import { computed, shallowRef, watch, type ComputedRef } from 'vue'
import type { Status } from '../protocol'
import { rateCurve, rateFigures, withSample, type RateFigures, type RatePoint, type Sample } from '../rules/rates'
import { useClock, useNow } from './useClock'
import { STILL, useMedia } from './useMedia'

/** Less than a pixel of the curve's way goes by in between, so it glides. */
export const GLIDE_EVERY_MS = 250

/** For who wants no motion: a new picture of the curve now and then. */
export const STEP_EVERY_MS = 5_000

/** The curve, and what it says in figures. */
export interface Rates {
  readonly curve: ComputedRef<readonly RatePoint[]>
  readonly figures: ComputedRef<RateFigures>
}

/** Follows what `status` says, from now on. Of a batch that is yet to be made it is known that nothing is answered. */
export function useRates(status: () => Status | null, isToBeMade: boolean): Rates {
  const clock = useClock()
  const wantsStillness = useMedia(STILL).value
  const tick = useNow(wantsStillness ? STEP_EVERY_MS : GLIDE_EVERY_MS)
  const samples = shallowRef<readonly Sample[]>(isToBeMade ? [{ at: clock.now(), answered: 0 }] : [])

  watch(
    status,
    (is) => {
      if (is === null) return
      const answered = is.counts.recognised + is.counts.failed
      samples.value = withSample(samples.value, { at: clock.now(), answered })
    },
    { immediate: true, flush: 'sync' },
  )

  const curve = computed(() => rateCurve(samples.value, Math.max(tick.value, samples.value.at(-1)?.at ?? 0)))
  return { curve, figures: computed(() => rateFigures(curve.value)) }
}
