/**
 * How fast a batch is answered, second by second, from the counts that the manager tells now and then. The clock is the
 * caller's.
 *
 * The manager tells a change within a quarter of a second, and repeats itself every five seconds when nothing changes. So
 * after a short silence the answers came at its end; after a long one (the connection was lost) only their mean is known.
 * The curve ends a second ago, when all answers of a moment are told: it never has to be drawn otherwise later.
 */

/** How far back the curve goes. */
export const WINDOW_MS = 120_000

/** Each point is the mean of so long a time before it: long enough that a slow batch is a line and not a row of needles. */
export const MEAN_MS = 5_000

/** A silence that is longer than this is one in which the manager was not heard: it repeats itself every 5 s. */
export const HEARD_WITHIN_MS = 7_500

/** Answers that are told after a silence came no longer than this before; and so long ago the curve ends. */
export const TOLD_WITHIN_MS = 1_000

/** Points are so far apart, at fixed times, so that the curve moves as a whole and does not tremble. */
const STEP_MS = 1_000

/** As many answers there were when the manager said so. */
export interface Sample {
  /** By any clock that does not jump, in milliseconds. */
  readonly at: number
  /** Images that workers have answered. Falls when answered ones are deleted or run again. */
  readonly answered: number
}

/** One point of the curve. */
export interface RatePoint {
  readonly at: number
  /** Images a second; null where nothing is known of the time before it. */
  readonly perSecond: number | null
}

/** What the curve shows, in figures: images a second. Null where nothing is known. */
export interface RateFigures {
  readonly now: number | null
  readonly highest: number | null
  readonly mean: number | null
}

/** A time in which `answers` came evenly. */
interface Stretch {
  readonly from: number
  readonly to: number
  readonly answers: number
}

/** Adds a sample, and forgets those that no point of the curve needs any more. */
export function withSample(samples: readonly Sample[], fresh: Sample): Sample[] {
  const horizon = fresh.at - WINDOW_MS - MEAN_MS
  const firstNeeded = samples.findLastIndex((sample) => sample.at <= horizon)
  return [...samples.slice(Math.max(firstNeeded, 0)), fresh]
}

/** The curve of two minutes: a point each whole second, and one at its end. */
export function rateCurve(samples: readonly Sample[], now: number): RatePoint[] {
  const stretches = stretchesOf(samples)
  const last = now - TOLD_WITHIN_MS
  const first = Math.ceil((last - WINDOW_MS) / STEP_MS) * STEP_MS
  const times = Array.from({ length: Math.floor((last - first) / STEP_MS) + 1 }, (_, step) => first + step * STEP_MS)
  if (times.at(-1) !== last) times.push(last)
  return times.map((at) => ({ at, perSecond: rateAt(samples, stretches, at) }))
}

/** The point that is closest to a place on the curve: 0 its beginning, 1 its end. */
export function pointAt(curve: readonly RatePoint[], place: number): RatePoint | undefined {
  const last = curve.at(-1)
  if (last === undefined) return undefined
  const at = last.at - (1 - place) * WINDOW_MS
  return curve.reduce((best, point) => (Math.abs(point.at - at) < Math.abs(best.at - at) ? point : best), last)
}

/** What a curve says in figures. */
export function rateFigures(curve: readonly RatePoint[]): RateFigures {
  const known = curve.flatMap(({ perSecond }) => (perSecond === null ? [] : [perSecond]))
  const now = curve.at(-1)?.perSecond ?? null
  if (known.length === 0) return { now, highest: null, mean: null }
  return { now, highest: Math.max(...known), mean: known.reduce((sum, rate) => sum + rate, 0) / known.length }
}

/** The end of an axis that `highest` fits below: 1, 2 or 5 with zeros, so that its half can be named too. */
export function axisEnd(highest: number): number {
  const least = 2
  if (highest <= least) return least
  const power = 10 ** Math.floor(Math.log10(highest))
  const step = [1, 2, 5, 10].find((step) => highest <= step * power) ?? 10
  return step * power
}

function stretchesOf(samples: readonly Sample[]): Stretch[] {
  return samples.slice(1).flatMap((sample, index) => {
    const before = samples[index] as Sample
    const answers = sample.answered - before.answered
    // Fewer than before: some were deleted or run again, which is not to be confused with work undone.
    if (answers <= 0) return []
    const silence = sample.at - before.at
    const span = silence <= HEARD_WITHIN_MS ? Math.min(silence, TOLD_WITHIN_MS) : silence
    return [{ from: sample.at - span, to: sample.at, answers }]
  })
}

/** The mean of the time before `at`, as far as it is known. */
function rateAt(samples: readonly Sample[], stretches: readonly Stretch[], at: number): number | null {
  const start = samples[0]?.at
  const end = samples.at(-1)?.at
  if (start === undefined || end === undefined || at <= start || at > end + HEARD_WITHIN_MS) return null
  const from = Math.max(at - MEAN_MS, start)
  // The first moments of a page would make needles of single answers.
  const span = Math.max(at - from, STEP_MS)
  return stretches.reduce((sum, stretch) => sum + answersWithin(stretch, from, at), 0) / (span / 1000)
}

function answersWithin({ from, to, answers }: Stretch, start: number, end: number): number {
  const shared = Math.min(to, end) - Math.max(from, start)
  if (to === from) return from > start && from <= end ? answers : 0
  return shared > 0 ? (answers * shared) / (to - from) : 0
}
