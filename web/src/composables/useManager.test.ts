import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { RequestError } from '../api'
import { aStatus, aWorker } from '../testing'
import { ASK_EVERY_MS, useManager } from './useManager'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('workers that join, and a manager that goes away, are seen at the next asking', async () => {
  const workers = vi.fn(async () => ({ workers: [aWorker()] }))
  const manager = useManager({ workers, model: async () => aStatus().model })
  manager.start()
  await vi.advanceTimersByTimeAsync(0)
  expect(manager.workers.value).toHaveLength(1)
  workers.mockRejectedValueOnce(new RequestError(0, 'unreachable', 'The manager cannot be reached.'))
  await vi.advanceTimersByTimeAsync(ASK_EVERY_MS)
  expect(manager.outage.value).not.toBeNull()
  await vi.advanceTimersByTimeAsync(ASK_EVERY_MS)
  expect(manager.outage.value).toBeNull()
})

it('an outage tells since when, and when it is tried again, which a person may hasten', async () => {
  const workers = vi.fn(() => Promise.reject(new RequestError(0, 'unreachable', 'The manager cannot be reached.')))
  const manager = useManager({ workers, model: async () => aStatus().model })
  manager.start()
  await vi.advanceTimersByTimeAsync(0)
  const since = Date.now()
  expect(manager.outage.value).toEqual({ since, nextTry: since + ASK_EVERY_MS })
  await vi.advanceTimersByTimeAsync(ASK_EVERY_MS)
  expect(manager.outage.value).toEqual({ since, nextTry: since + 2 * ASK_EVERY_MS })

  await vi.advanceTimersByTimeAsync(1)
  manager.hurry()
  await vi.advanceTimersByTimeAsync(0)
  expect(workers).toHaveBeenCalledTimes(3)
  await vi.advanceTimersByTimeAsync(ASK_EVERY_MS - 1)
  expect(workers).toHaveBeenCalledTimes(3)
})

it('an outage does not outlast the asking', async () => {
  let fail: (error: Error) => void = () => {}
  const workers = vi.fn(() => new Promise<never>((_, reject) => (fail = reject)))
  const manager = useManager({ workers, model: async () => aStatus().model })
  manager.start()
  fail(new Error('The manager cannot be reached.'))
  await vi.advanceTimersByTimeAsync(0)
  expect(manager.outage.value).not.toBeNull()
  await vi.advanceTimersByTimeAsync(ASK_EVERY_MS)
  manager.stop()
  fail(new Error('late'))
  await vi.advanceTimersByTimeAsync(0)
  expect(manager.outage.value).toBeNull()
})

it('nothing is asked after the end', async () => {
  const workers = vi.fn(async () => ({ workers: [] }))
  const manager = useManager({ workers, model: async () => aStatus().model })
  manager.start()
  await vi.advanceTimersByTimeAsync(0)
  manager.stop()
  await vi.advanceTimersByTimeAsync(ASK_EVERY_MS * 3)
  expect(workers).toHaveBeenCalledOnce()
})
