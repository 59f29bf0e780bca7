import { expect, it } from 'vitest'
import { makeQueue } from './queue'

it('gives the first first, those that were put before all others before them', () => {
  const queue = makeQueue<number>()
  queue.put(3)
  queue.put(4)
  queue.putFirst(2)
  queue.putFirst(1)
  expect(queue.length).toBe(4)
  expect([queue.take(), queue.take(), queue.take(), queue.take(), queue.take()]).toEqual([1, 2, 3, 4, undefined])
  expect(queue.length).toBe(0)
})

it('keeps its order over thousands that come and go', () => {
  const queue = makeQueue<number>()
  const taken: (number | undefined)[] = []
  for (let number = 0; number < 10_000; number += 1) {
    queue.put(number)
    if (number % 3 > 0) taken.push(queue.take())
  }
  while (queue.length > 0) taken.push(queue.take())
  expect(taken).toEqual(Array.from({ length: 10_000 }, (_, number) => number))
})

it('can be emptied', () => {
  const queue = makeQueue<number>()
  queue.put(2)
  queue.putFirst(1)
  queue.clear()
  expect(queue.take()).toBeUndefined()
})
