import { expect, it, vi } from 'vitest'
import { oncePerFrame } from './useFrame'

it('what is asked for once is done at once', () => {
  const work = vi.fn()
  oncePerFrame(work, () => {})()
  expect(work).toHaveBeenCalledOnce()
})

it('what is asked for a hundred times in a frame is done twice: at once, and with all of it in the next frame', () => {
  const frames: (() => void)[] = []
  const work = vi.fn()
  const ask = oncePerFrame(work, (callback) => frames.push(callback))
  for (let turn = 0; turn < 100; turn += 1) ask()
  expect(work).toHaveBeenCalledOnce()
  frames.shift()?.()
  expect(work).toHaveBeenCalledTimes(2)
  frames.shift()?.()
  expect(work).toHaveBeenCalledTimes(2)
  expect(frames).toEqual([])
})
