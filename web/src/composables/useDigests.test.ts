import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { FileProblem } from '../rules/fileProblem'
import { settle } from '../testing'
import type { DigestAnswer } from './digest.worker'
import { IDLE_MS, useDigests, type DigestWorker } from './useDigests'

class FakeWorker implements DigestWorker {
  static all: FakeWorker[] = []
  onmessage: ((message: { data: DigestAnswer }) => void) | null = null
  onerror: (() => void) | null = null
  asked: string[] = []
  terminate = vi.fn()
  constructor() {
    FakeWorker.all.push(this)
  }
  postMessage(file: File) {
    this.asked.push(file.name)
  }
  async answer(data: DigestAnswer) {
    this.onmessage?.({ data })
    await settle()
  }
}

const file = (name: string) => new File(['x'], name)

beforeEach(() => {
  FakeWorker.all = []
  vi.useFakeTimers()
})
afterEach(() => void vi.useRealTimers())

it('each file has a worker to itself, and a worker that is done takes the next', async () => {
  const digests = useDigests(() => new FakeWorker())
  const [one, two] = [digests.of(file('a')), digests.of(file('b'))]
  const [first, second] = FakeWorker.all
  await first?.answer({ digest: 'digest of a' })
  await second?.answer({ digest: 'digest of b' })
  expect(await Promise.all([one, two])).toEqual(['digest of a', 'digest of b'])
  void digests.of(file('c'))
  expect(FakeWorker.all.flatMap(({ asked }) => asked).toSorted()).toEqual(['a', 'b', 'c'])
  expect(FakeWorker.all).toHaveLength(2)
})

it('a file that cannot be read is told as such, and the worker goes on', async () => {
  const digests = useDigests(() => new FakeWorker())
  const lost = digests.of(file('a'))
  lost.catch(() => {})
  await FakeWorker.all[0]?.answer({ failure: 'NotFoundError' })
  await expect(lost).rejects.toEqual(new FileProblem('NotFoundError'))
  void digests.of(file('b'))
  expect(FakeWorker.all).toHaveLength(1)
})

it('a worker whose script cannot be fetched is no fault of the file: the manager is away', async () => {
  const digests = useDigests(() => new FakeWorker())
  const asked = digests.of(file('a'))
  asked.catch(() => {})
  FakeWorker.all[0]?.onerror?.()
  await expect(asked).rejects.toMatchObject({ code: 'unreachable' })
  expect(FakeWorker.all[0]?.terminate).toHaveBeenCalledOnce()
  void digests.of(file('a'))
  expect(FakeWorker.all).toHaveLength(2)
})

it('workers that nobody asks any more are ended', async () => {
  const digests = useDigests(() => new FakeWorker())
  void digests.of(file('a'))
  await FakeWorker.all[0]?.answer({ digest: 'digest of a' })
  await vi.advanceTimersByTimeAsync(IDLE_MS - 1)
  expect(FakeWorker.all[0]?.terminate).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(FakeWorker.all[0]?.terminate).toHaveBeenCalledOnce()
})
