import { describe, expect, it } from 'vitest'
import { aHappening } from '../testing'
import { ageOf, newTroubles } from './happenings'

describe('what is new', () => {
  const old = aHappening({ seq: 1, ago_ms: 9_000 })

  it('is bad, recent, and was not there before', () => {
    const lost = aHappening({ seq: 3, worker: 'worker-2' })
    const back = aHappening({ seq: 2, kind: 'back' })
    const long = aHappening({ seq: 4, worker: 'worker-3', ago_ms: 60_000 })
    expect(newTroubles([old], [old, back, lost, long])).toEqual([lost])
  })

  it('is known by more than its number, which starts anew with the manager', () => {
    const again = aHappening({ seq: 1, worker: 'worker-2' })
    expect(newTroubles([old], [again])).toEqual([again])
  })
})

it.each([
  [-3, { unit: 'now', count: 0 }],
  [4_999, { unit: 'now', count: 0 }],
  [5_000, { unit: 'seconds', count: 5 }],
  [19_999, { unit: 'seconds', count: 10 }],
  [59_999, { unit: 'seconds', count: 50 }],
  [60_000, { unit: 'minutes', count: 1 }],
  [3_599_999, { unit: 'minutes', count: 59 }],
])('%d ms ago is told calmly', (ms, age) => {
  expect(ageOf(ms)).toEqual(age)
})
