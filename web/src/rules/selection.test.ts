import { expect, it } from 'vitest'
import { anImage } from '../testing'
import { chooseAll, extend, isCancellable, isRetriable, keepExisting, NOTHING, toggle } from './selection'

const order = ['5', '3', '9', '1', '7']
const list = ({ chosen }: { chosen: ReadonlySet<string> }) => [...chosen].toSorted()

it('choosing an image twice gives it up', () => {
  expect(list(toggle(NOTHING, '3'))).toEqual(['3'])
  expect(list(toggle(toggle(NOTHING, '3'), '3'))).toEqual([])
})

it('a range runs from the image chosen last to this one, in the order shown, either way', () => {
  const one = toggle(NOTHING, '3')
  expect(list(extend(one, '1', order))).toEqual(['1', '3', '9'])
  expect(list(extend(toggle(NOTHING, '1'), '3', order))).toEqual(['1', '3', '9'])
})

it('a second range begins where the first did, and adds to it', () => {
  const first = extend(toggle(NOTHING, '3'), '9', order)
  expect(list(extend(first, '5', order))).toEqual(['3', '5', '9'])
})

it('a range from an image that is not shown is that image alone', () => {
  expect(list(extend(toggle(NOTHING, '77'), '9', order))).toEqual(['77', '9'])
  expect(list(extend(NOTHING, '9', order))).toEqual(['9'])
  expect(extend(NOTHING, '77', order)).toBe(NOTHING)
})

it('all means all that are shown, and keeps what was chosen and is hidden', () => {
  expect(list(chooseAll(toggle(NOTHING, '77'), ['5', '3']))).toEqual(['3', '5', '77'])
})

it('images that were deleted are given up, and nothing changes when none was', () => {
  const chosen = chooseAll(toggle(NOTHING, '3'), order)
  const left = keepExisting(chosen, (id) => id !== '3')
  expect(list(left)).toEqual(['1', '5', '7', '9'])
  expect(left.anchor).toBeNull()
  expect(keepExisting(chosen, () => true)).toBe(chosen)
})

it('an image is cancelled while it is on its way, and run again when it has ended with its file kept', () => {
  const states = ['waiting', 'assigned', 'recognised', 'failed', 'rejected', 'cancelled'] as const
  expect(states.filter((state) => isCancellable(anImage({ state })))).toEqual(['waiting', 'assigned'])
  expect(states.filter((state) => isRetriable(anImage({ state })))).toEqual(['recognised', 'failed', 'cancelled'])
})
