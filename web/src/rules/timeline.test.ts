import { describe, expect, it } from 'vitest'
import { anImage } from '../testing'
import { PARTS, splitOf } from './timeline'

const nothing = anImage().timing_ms

const whole = {
  upload: 3.14,
  waiting: 0.26,
  sending: 0.44,
  receive: 0.14,
  worker_queue: 0.04,
  decoding: 2.94,
  inference: 21.74,
  returning: 0.14,
  total: 28.84,
}

describe('the time of an image', () => {
  it('is printed in figures that add up, though each is rounded', () => {
    const split = splitOf(whole)
    expect(split?.totalTenths).toBe(288)
    expect(split?.parts.reduce((sum, part) => sum + (part.tenths ?? 0), 0)).toBe(288)
    expect(split?.parts.map((part) => part.name)).toEqual([...PARTS])
  })

  it('has each figure within a tenth of what was measured', () => {
    for (const { name, tenths } of splitOf(whole)?.parts ?? []) {
      if (name === 'rest') throw new Error('all parts are known')
      expect(Math.abs((tenths ?? NaN) / 10 - whole[name])).toBeLessThan(0.1)
    }
  })

  it('keeps what is not known apart from nothing, and names what is left of the total', () => {
    const parts = splitOf({ ...whole, upload: null })?.parts ?? []
    expect(parts.find((part) => part.name === 'upload')?.tenths).toBeNull()
    expect(parts.find((part) => part.name === 'rest')?.tenths).toBe(32)
    expect(parts.reduce((sum, part) => sum + (part.tenths ?? 0), 0)).toBe(288)
  })

  it('has no rest where the known parts are all of it', () => {
    const total = whole.total - whole.upload
    expect(splitOf({ ...whole, upload: null, total })?.parts.some((part) => part.name === 'rest')).toBe(false)
  })

  it('is not split before the image has ended', () => {
    expect(splitOf(nothing)).toBeNull()
    expect(splitOf({ ...nothing, upload: 3 })).toBeNull()
  })

  it('shows the figures as they are where they contradict each other', () => {
    const parts = splitOf({ ...whole, total: 5 })?.parts ?? []
    expect(parts.find((part) => part.name === 'inference')?.tenths).toBe(217)
  })
})
