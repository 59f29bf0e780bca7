import { describe, expect, it } from 'vitest'
import { retryAfterMs, waitMs } from './backoff'

const BACKOFF = { firstMs: 100, longestMs: 1000 }

describe('the wait before the next try', () => {
  it('doubles with each failure and stops growing at the longest', () => {
    expect([1, 2, 3, 4, 5, 6, 500].map((failures) => waitMs(BACKOFF, failures, 1))).toEqual([
      100, 200, 400, 800, 1000, 1000, 1000,
    ])
  })

  it('leaves half of it to chance', () => {
    expect(waitMs(BACKOFF, 2, 0)).toBe(100)
    expect(waitMs(BACKOFF, 2, 0.5)).toBe(150)
  })
})

describe('the wait that the manager asks for', () => {
  it('is kept whole, and lengthened by chance so that not all come back together', () => {
    expect(waitMs(BACKOFF, 1, 0, 5000)).toBe(5000)
    expect(waitMs(BACKOFF, 1, 0.5, 5000)).toBe(6250)
  })

  it('does not shorten the wait that failures have made', () => {
    expect(waitMs(BACKOFF, 4, 1, 0)).toBe(800)
    expect(waitMs(BACKOFF, 4, 1, null)).toBe(800)
  })
})

describe('Retry-After', () => {
  it('is read as seconds', () => {
    expect(retryAfterMs('3', 0)).toBe(3000)
  })

  it('is read as a date', () => {
    const now = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT')
    expect(retryAfterMs('Wed, 21 Oct 2026 07:28:05 GMT', now)).toBe(5000)
    expect(retryAfterMs('Wed, 21 Oct 2026 07:27:00 GMT', now)).toBe(0)
  })

  it('is nothing where it is absent or makes no sense', () => {
    expect(retryAfterMs(null, 0)).toBeNull()
    expect(retryAfterMs('soon', 0)).toBeNull()
  })
})
