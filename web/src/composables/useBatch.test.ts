import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { watch } from 'vue'
import { RequestError } from '../api'
import type { BatchPage, Event, Image } from '../protocol'
import { anImage, aStatus, settle, someCounts } from '../testing'
import { REREAD, useBatch, type BatchNeeds } from './useBatch'
import { RECONNECT, type Socket } from './useEvents'

interface FakeSocket extends Socket {
  url: string
  say(event: Event): void
}

function setUp(own: Partial<BatchNeeds> = {}) {
  const sockets: FakeSocket[] = []
  const api = { page: vi.fn<(batch: string, after: string | null, limit: number) => Promise<BatchPage>>(), eventsUrl: (batch: string, from: number) => `${batch}?from=${from}` }
  const openSocket = (url: string) => {
    const socket: FakeSocket = {
      url,
      onopen: null,
      onmessage: null,
      onclose: null,
      close() {},
      say(event) {
        this.onmessage?.({ data: JSON.stringify(event) })
      },
    }
    sockets.push(socket)
    return socket
  }
  const batch = useBatch(api, { openSocket, chance: () => 1, ...own })
  batch.open('b')
  return { api, batch, sockets, last: () => sockets.at(-1) as FakeSocket }
}

function snapshot(seq: number, images: Image[], own: Partial<Event & { type: 'snapshot' }> = {}): Event {
  return { type: 'snapshot', seq, batch: 'b', images, more: false, deleted: [], complete: true, status: aStatus(), ...own }
}

function change(image: Image): Event {
  return { type: 'change', seq: image.seq, image, deleted: null }
}

function page(images: Image[], more = false): BatchPage {
  return { id: 'b', seq: 0, counts: someCounts(), images, more, throughput: aStatus().throughput }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a batch', () => {
  it('is what the snapshot and the changes after it say, in upload order', () => {
    const { batch, last } = setUp()
    last().say(snapshot(5, [anImage({ id: '2', seq: 5 })]))
    expect(batch.phase.value).toBe('ready')
    last().say(change(anImage({ id: '1', seq: 6 })))
    last().say(change(anImage({ id: '2', seq: 7, state: 'recognised' })))
    expect(batch.order.value).toEqual(['1', '2'])
    expect(batch.images.get('2')?.state).toBe('recognised')
  })

  it('resumes after the last change that it has heard of', () => {
    const { last, sockets } = setUp()
    last().say(snapshot(5, []))
    last().say(change(anImage({ seq: 9 })))
    last().onclose?.()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(sockets.map(({ url }) => url)).toEqual(['b?from=0', 'b?from=9'])
  })

  it('does not take the answer to an upload for all that happened before it', () => {
    const { batch, last, sockets } = setUp()
    last().say(snapshot(5, []))
    batch.takeIn([anImage({ seq: 50 })])
    last().onclose?.()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(sockets.at(-1)?.url).toBe('b?from=5')
  })

  it('drops images that were deleted, and those that a whole snapshot no longer has', () => {
    const { batch, last } = setUp()
    last().say(snapshot(5, [anImage({ id: '1' }), anImage({ id: '2' }), anImage({ id: '3' })]))
    last().say({ type: 'change', seq: 6, image: null, deleted: '1' })
    expect(batch.order.value).toEqual(['2', '3'])
    last().say(snapshot(9, [anImage({ id: '3' })]))
    expect(batch.order.value).toEqual(['3'])
  })

  it('keeps an image whose upload was answered while a snapshot without it was on its way', () => {
    const { batch, last } = setUp()
    batch.takeIn([anImage({ id: '1', seq: 3 })])
    last().say(snapshot(4, []))
    expect(batch.order.value).toEqual(['1'])
    // From then on it is known by the events, and a snapshot without it means that it was deleted.
    last().say(change(anImage({ id: '1', seq: 8 })))
    last().say(snapshot(9, []))
    expect(batch.order.value).toEqual([])
  })

  it('drops an image that was deleted while the connection was lost, though only its upload had told of it', () => {
    const { batch, last } = setUp()
    last().say(snapshot(2, []))
    batch.takeIn([anImage({ id: '1', seq: 3 })])
    last().onclose?.()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    last().say(snapshot(9, []))
    expect(batch.order.value).toEqual([])
  })
})

describe('a batch larger than a snapshot', () => {
  it('is read by pages to its end', async () => {
    const { api, batch, last } = setUp()
    api.page.mockResolvedValueOnce(page([anImage({ id: '1' }), anImage({ id: '2' })], true))
    api.page.mockResolvedValueOnce(page([anImage({ id: '3' })]))
    last().say(snapshot(5, [anImage({ id: '1' })], { more: true }))
    expect(batch.phase.value).toBe('loading')
    await settle()
    expect(api.page.mock.calls.map(([, after]) => after)).toEqual([null, '2'])
    expect(batch.order.value).toEqual(['1', '2', '3'])
    expect(batch.phase.value).toBe('ready')
  })

  it('is resumed from before the snapshot while its pages are missing', async () => {
    const { api, last, sockets } = setUp()
    api.page.mockReturnValue(new Promise(() => {}))
    last().say(snapshot(5, [anImage()], { more: true }))
    last().say(change(anImage({ id: '7', seq: 8 })))
    last().onclose?.()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(sockets.at(-1)?.url).toBe('b?from=0')
  })

  it('asks again for a page that could not be read', async () => {
    const { api, batch, last } = setUp()
    api.page.mockRejectedValueOnce(new RequestError(0, 'unreachable', 'away'))
    api.page.mockResolvedValueOnce(page([anImage({ id: '3' })]))
    last().say(snapshot(5, [], { more: true }))
    await vi.advanceTimersByTimeAsync(REREAD.firstMs)
    expect(batch.order.value).toEqual(['3'])
  })

  it('is not mixed with what an earlier, overtaken reading still brings', async () => {
    const { api, batch, last } = setUp()
    let answer: (page: BatchPage) => void = () => {}
    api.page.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)))
    last().say(snapshot(5, [], { more: true }))
    last().onclose?.()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    last().say(snapshot(20, [anImage({ id: '2', seq: 4 })]))
    answer(page([anImage({ id: '1', seq: 4 })]))
    await settle()
    expect(batch.order.value).toEqual(['2'])
  })

  it('keeps images that were stored while it is read, and drops those that its pages no longer have', async () => {
    const { api, batch, last } = setUp()
    last().say(snapshot(5, [anImage({ id: '1' }), anImage({ id: '2' })]))
    let answer: (page: BatchPage) => void = () => {}
    api.page.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)))
    last().say(snapshot(20, [], { more: true }))
    last().say(change(anImage({ id: '9', seq: 18 })))
    batch.takeIn([anImage({ id: '10', seq: 19 })])
    answer(page([anImage({ id: '2' })]))
    await settle()
    expect(batch.order.value).toEqual(['2', '9', '10'])
  })

  it('keeps changes that arrive while it is read', async () => {
    const { api, batch, last } = setUp()
    let answer: (page: BatchPage) => void = () => {}
    api.page.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)))
    last().say(snapshot(5, [], { more: true }))
    last().say(change(anImage({ id: '1', seq: 6, state: 'recognised' })))
    last().say(change(anImage({ id: '9', seq: 7 })))
    answer(page([anImage({ id: '1', seq: 4, state: 'waiting' })]))
    await settle()
    expect(batch.images.get('1')?.state).toBe('recognised')
    expect(batch.order.value).toEqual(['1', '9'])
  })
})

describe('a batch that cannot be shown', () => {
  it('ends when the manager says that it is gone', () => {
    const { batch, last, sockets } = setUp()
    last().say({ type: 'gone' })
    expect(batch.phase.value).toBe('ended')
    expect(batch.ending.value).not.toBeNull()
    vi.runAllTimers()
    expect(sockets).toHaveLength(1)
  })

  it('ends with the manager\'s sentence when it never existed', async () => {
    const { api, batch, last } = setUp()
    api.page.mockRejectedValueOnce(new RequestError(404, 'unknown_batch', 'There is no such batch.'))
    last().onclose?.()
    await settle()
    expect(batch.ending.value?.message).toBe('There is no such batch.')
  })

  it('does not end because the manager is away', async () => {
    const { api, batch, last, sockets } = setUp()
    api.page.mockRejectedValueOnce(new RequestError(0, 'unreachable', 'away'))
    last().onclose?.()
    await settle()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(batch.phase.value).toBe('loading')
    expect(sockets).toHaveLength(2)
  })
})

describe('who follows a batch', () => {
  it('is told of hundreds of changes once a frame, and of each image at once', () => {
    const { batch, last } = setUp()
    last().say(snapshot(1, []))
    const told = vi.fn()
    watch([batch.order, batch.changes], told, { flush: 'sync' })
    for (let id = 1; id <= 300; id += 1) last().say(change(anImage({ id: String(id), seq: id + 1 })))
    expect(batch.images.size).toBe(300)
    expect(batch.order.value).toHaveLength(300)
    expect(told.mock.calls.length).toBeLessThanOrEqual(2)
    vi.advanceTimersToNextFrame()
    vi.advanceTimersToNextFrame()
    expect(told.mock.calls.length).toBeLessThanOrEqual(4)
    expect(told).toHaveBeenCalled()
  })

  it('sees the same in each of several pages, however the news are mixed', () => {
    const one = setUp()
    const two = setUp()
    const news = [change(anImage({ id: '1', seq: 2 })), change(anImage({ id: '2', seq: 3 })), change(anImage({ id: '1', seq: 4, state: 'recognised' }))]
    for (const { last } of [one, two]) last().say(snapshot(1, []))
    for (const event of news) one.last().say(event)
    for (const event of [news[2], news[0], news[1], news[2]] as Event[]) two.last().say(event)
    expect([...two.batch.images.values()].toSorted((a, b) => Number(a.id) - Number(b.id))).toEqual([...one.batch.images.values()])
    expect(two.batch.order.value).toEqual(one.batch.order.value)
  })
})

describe('a page that is older or newer than its manager', () => {
  it('knows that the manager serves another page by now', () => {
    const { batch, last } = setUp({ pageDigest: 'aa' })
    last().say(snapshot(1, [], { status: aStatus({ page: 'aa' }) }))
    expect(batch.isOutdated.value).toBe(false)
    last().say({ type: 'status', ...aStatus({ page: 'bb' }) })
    expect(batch.isOutdated.value).toBe(true)
  })

  it('that does not know what it is does not ask to be loaded again', () => {
    const { batch, last } = setUp({ pageDigest: null })
    last().say(snapshot(1, [], { status: aStatus({ page: 'bb' }) }))
    expect(batch.isOutdated.value).toBe(false)
  })

  it('ignores events and fields that it does not know', () => {
    const { batch, last } = setUp()
    last().say(snapshot(1, [anImage()], { moon: 'full' } as object))
    last().say({ type: 'weather', sky: 'blue' } as unknown as Event)
    last().say(change({ ...anImage({ seq: 2, state: 'recognised' }), mood: 'good' } as Image))
    expect(batch.images.get('1')?.state).toBe('recognised')
  })
})
