import { expect, it } from 'vitest'
import { aWorker } from '../testing'
import { newsBetween } from './news'

const busy = aWorker({ state: 'busy', in_flight: 4 })

it('a worker that is gone is told of, with what it had', () => {
  const told = ['worker-1 was lost. Its 4 images go to others.']
  expect(newsBetween([busy], [{ ...busy, state: 'gone' }])).toEqual(told)
  expect(newsBetween([busy], [])).toEqual(told)
})

it('a worker that came back between two looks is told of', () => {
  const restarted = aWorker({ address: '127.0.0.1:40002' })
  expect(newsBetween([{ ...busy, in_flight: 1 }], [restarted])).toEqual([
    'worker-1 was lost and has come back. Its 1 image goes to others.',
  ])
})

it('a worker that falls silent, and one that answers again, are told of', () => {
  const silent = aWorker({ state: 'silent' })
  expect(newsBetween([aWorker()], [silent])).toEqual(['worker-1 does not answer.'])
  expect(newsBetween([silent], [aWorker()])).toEqual(['worker-1 is back.'])
})

it('is told once, not at every look', () => {
  const gone = aWorker({ state: 'gone' })
  expect(newsBetween([gone], [gone])).toEqual([])
  expect(newsBetween([gone], [])).toEqual([])
})

it('a worker that finishes and leaves, and one that joins, are no news', () => {
  expect(newsBetween([aWorker({ state: 'draining' })], [])).toEqual([])
  expect(newsBetween([], [aWorker()])).toEqual([])
})
