import { describe, expect, it } from 'vitest'
import {
  axisEnd,
  HEARD_WITHIN_MS,
  MEAN_MS,
  pointAt,
  rateCurve,
  rateFigures,
  TOLD_WITHIN_MS,
  WINDOW_MS,
  withSample,
  type Sample,
} from './rates'

/** Told every quarter of a second: `perSecond` answers a second from `from` to `to`. */
function steady(from: number, to: number, perSecond: number): Sample[] {
  const count = (to - from) / 250 + 1
  return Array.from({ length: count }, (_, step) => ({ at: from + step * 250, answered: step * 0.25 * perSecond }))
}

/** The curve that ends at `end`. */
function curveTo(end: number, samples: Sample[]) {
  return rateCurve(samples, end + TOLD_WITHIN_MS)
}

function rateAt(samples: Sample[], end: number, at: number): number | null | undefined {
  return curveTo(end, samples).find((point) => point.at === at)?.perSecond
}

describe('the curve of throughput', () => {
  it('is as high as the answers are fast', () => {
    const samples = steady(0, 20_000, 8)
    expect(rateAt(samples, 20_000, 10_000)).toBeCloseTo(8)
    expect(rateFigures(curveTo(20_000, samples)).now).toBeCloseTo(8)
  })

  it('falls to nothing when nothing comes, though nobody says so', () => {
    const samples = steady(0, 10_000, 8)
    const later = 10_000 + MEAN_MS
    expect(rateFigures(curveTo(later - MEAN_MS / 2, samples)).now).toBeCloseTo(4)
    expect(rateFigures(curveTo(later, samples)).now).toBe(0)
  })

  it('moves with the clock: the same answers are further left a second later', () => {
    const samples = steady(0, 10_000, 8)
    const place = (now: number) => curveTo(now, samples).findIndex((point) => point.at === 5_000)
    expect(place(11_000)).toBe(place(10_000) - 1)
  })

  it('claims nothing of the time before the page was there', () => {
    expect(rateAt(steady(60_000, 70_000, 8), 70_000, 59_000)).toBeNull()
  })

  it('claims nothing of now when the manager has not been heard for long', () => {
    const samples = steady(0, 10_000, 8)
    expect(rateFigures(curveTo(10_000 + HEARD_WITHIN_MS, samples)).now).toBe(0)
    expect(rateFigures(curveTo(10_001 + HEARD_WITHIN_MS, samples)).now).toBeNull()
  })

  it('has answers after a short silence at its end, where they came', () => {
    const samples = [{ at: 0, answered: 0 }, { at: 5_000, answered: 0 }, { at: 10_000, answered: 5 }]
    expect(rateAt(samples, 10_000, 9_000)).toBe(0)
    expect(rateAt(samples, 10_000, 10_000)).toBe(1)
  })

  it('spreads what came while the manager was out of hearing: only the mean is known', () => {
    const samples = [{ at: 0, answered: 0 }, { at: 30_000, answered: 60 }]
    expect(rateAt(samples, 30_000, 10_000)).toBeCloseTo(2)
    expect(rateAt(samples, 30_000, 29_000)).toBeCloseTo(2)
  })

  it('is never drawn otherwise later: what is told next was a second ago at most', () => {
    const known = [{ at: 0, answered: 0 }, { at: 5_000, answered: 4 }]
    const told = [...known, { at: 9_900, answered: 20 }]
    const drawn = rateCurve(known, 9_900).slice(0, -1)
    expect(rateCurve(told, 9_900).slice(0, drawn.length)).toEqual(drawn)
  })

  it('is never below nothing: images that are run again or deleted are no answers taken back', () => {
    const samples = [...steady(0, 5_000, 8), { at: 5_250, answered: 0 }, { at: 5_500, answered: 2 }]
    expect(rateCurve(samples, 6_000).every(({ perSecond }) => perSecond === null || perSecond >= 0)).toBe(true)
  })

  it('goes two minutes back and no further', () => {
    const curve = curveTo(200_000, steady(0, 200_000, 8))
    expect(curve[0]?.at).toBe(200_000 - WINDOW_MS)
    expect(curve).toHaveLength(WINDOW_MS / 1000 + 1)
  })
})

it('samples that no point needs are forgotten, and the curve is the same without them', () => {
  const all = steady(0, 400_000, 8)
  const kept = all.reduce(withSample, [] as Sample[])
  expect(kept.length).toBeLessThan((WINDOW_MS + MEAN_MS) / 250 + 3)
  expect(rateCurve(kept, 400_000)).toEqual(rateCurve(all, 400_000))
})

it('a place on the curve has the point beside it', () => {
  const curve = curveTo(200_000, steady(0, 200_000, 8))
  expect(pointAt(curve, 0)?.at).toBe(80_000)
  expect(pointAt(curve, 0.5)?.at).toBe(140_000)
  expect(pointAt(curve, 1)?.at).toBe(200_000)
  expect(pointAt([], 1)).toBeUndefined()
})

it('the figures name the highest and the mean of what is known', () => {
  const curve = [
    { at: 0, perSecond: null },
    { at: 1, perSecond: 2 },
    { at: 2, perSecond: 4 },
  ]
  expect(rateFigures(curve)).toEqual({ now: 4, highest: 4, mean: 3 })
  expect(rateFigures([{ at: 0, perSecond: null }])).toEqual({ now: null, highest: null, mean: null })
})

it.each([
  [0, 2],
  [2, 2],
  [2.1, 5],
  [5.1, 10],
  [14, 20],
  [101, 200],
  [999, 1000],
])('an axis for %d ends at %d', (highest, end) => {
  expect(axisEnd(highest)).toBe(end)
})
