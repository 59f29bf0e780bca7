import { expect, it } from 'vitest'
import { makePace, WINDOW_MS } from './pace'

it('says nothing before a second is known', () => {
  const pace = makePace()
  pace.note(0, 0)
  pace.note(900, 5000)
  expect(pace.bytesPerS()).toBeNull()
  pace.note(1100, 5500)
  expect(pace.bytesPerS()).toBe(5000)
})

it('follows a link that becomes slower', () => {
  const pace = makePace()
  for (let second = 0; second <= 10; second += 1) pace.note(second * 1000, second * 1000)
  for (let second = 1; second <= 10; second += 1) pace.note(10_000 + second * 1000, 10_000 + second * 100)
  expect(pace.bytesPerS()).toBeCloseTo(100)
})

it('remembers no more than it needs, however often it is told', () => {
  const pace = makePace()
  for (let ms = 0; ms < 3 * WINDOW_MS; ms += 1) pace.note(ms, ms * 2)
  expect(pace.bytesPerS()).toBeCloseTo(2000)
})

it('is never negative when what a broken try had sent is taken back', () => {
  const pace = makePace()
  pace.note(0, 5000)
  pace.note(2000, 1000)
  expect(pace.bytesPerS()).toBe(0)
})

it('knows nothing after a pause', () => {
  const pace = makePace()
  pace.note(0, 0)
  pace.note(2000, 1000)
  pace.forget()
  pace.note(60_000, 1000)
  expect(pace.bytesPerS()).toBeNull()
})
