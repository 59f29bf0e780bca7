import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { settle } from '../testing'
import { GLANCE_MS, KEPT_THUMBNAILS, PARALLEL_THUMBNAILS, REFETCH, useThumbnails, type Fetch } from './useThumbnails'

type Answer = Awaited<ReturnType<Fetch>>

const answer = (status: number, headers: Record<string, string> = {}): Answer => ({
  ok: status === 200,
  status,
  headers: new Headers(headers),
  blob: async () => new Blob(['x']),
})

function setUp(respond: () => Promise<Answer> = async () => answer(200)) {
  const asked: { url: string; signal: AbortSignal }[] = []
  const fetch = vi.fn<Fetch>(async (url, { signal }) => {
    asked.push({ url, signal })
    return respond()
  })
  const thumbnails = useThumbnails({ url: (image) => `/thumb/${image}`, fetch, chance: () => 1 })
  const pass = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms)
    await settle()
  }
  return { thumbnails, fetch, asked, pass }
}

beforeEach(() => {
  vi.useFakeTimers()
  let made = 0
  vi.spyOn(URL, 'createObjectURL').mockImplementation(() => `blob:${(made += 1)}`)
  vi.spyOn(URL, 'revokeObjectURL').mockReturnValue()
})
afterEach(() => void vi.useRealTimers())

it('a thumbnail comes for a card that stays in sight', async () => {
  const { thumbnails, asked, pass } = setUp()
  thumbnails.want('7')
  await pass(GLANCE_MS)
  expect(asked.map(({ url }) => url)).toEqual(['/thumb/7'])
  expect(thumbnails.of('7')).toBe('blob:1')
})

it('a card that is scrolled past asks for nothing', async () => {
  const { thumbnails, fetch, pass } = setUp()
  thumbnails.want('7')
  await pass(GLANCE_MS - 1)
  thumbnails.unwant('7')
  await pass(60_000)
  expect(fetch).not.toHaveBeenCalled()
})

it('a thumbnail on its way is ended when its card is gone, and the next one has its turn', async () => {
  const { thumbnails, asked, pass } = setUp(() => new Promise(() => {}))
  for (let image = 0; image <= PARALLEL_THUMBNAILS; image += 1) thumbnails.want(String(image))
  await pass(GLANCE_MS)
  expect(asked).toHaveLength(PARALLEL_THUMBNAILS)
  thumbnails.unwant('0')
  expect(asked[0]?.signal.aborted).toBe(true)
  expect(asked.map(({ url }) => url).at(-1)).toBe(`/thumb/${PARALLEL_THUMBNAILS}`)
})

it('a thumbnail that could not be had is asked for again, later each time', async () => {
  const responses = [answer(503), answer(503), answer(200)]
  const { thumbnails, fetch, pass } = setUp(async () => responses.shift() as Answer)
  thumbnails.want('7')
  await pass(GLANCE_MS)
  await pass(REFETCH.firstMs)
  expect(fetch).toHaveBeenCalledTimes(2)
  await pass(REFETCH.firstMs)
  expect(fetch).toHaveBeenCalledTimes(2)
  await pass(REFETCH.firstMs)
  expect(fetch).toHaveBeenCalledTimes(3)
  expect(thumbnails.of('7')).toBe('blob:1')
})

it('scrolling to and fro does not make a failed thumbnail be asked for sooner', async () => {
  const { thumbnails, fetch, pass } = setUp(async () => Promise.reject(new TypeError('no network')))
  thumbnails.want('7')
  await pass(GLANCE_MS)
  for (let turn = 0; turn < 4; turn += 1) {
    thumbnails.unwant('7')
    thumbnails.want('7')
    await pass(GLANCE_MS)
  }
  expect(fetch).toHaveBeenCalledOnce()
  await pass(REFETCH.firstMs)
  expect(fetch).toHaveBeenCalledTimes(2)
})

it('a manager that has too much to do is left alone for as long as it wishes, by all cards', async () => {
  let status = 429
  const { thumbnails, fetch, pass } = setUp(async () => answer(status, { 'Retry-After': '5' }))
  thumbnails.want('1')
  await pass(GLANCE_MS)
  status = 200
  thumbnails.want('2')
  // The 5 s, and by chance half as long again.
  await pass(7_400)
  expect(fetch).toHaveBeenCalledOnce()
  await pass(200)
  expect(thumbnails.of('1')).toBeDefined()
  expect(thumbnails.of('2')).toBeDefined()
})

it('an image of which none can be made is not asked for again', async () => {
  const { thumbnails, fetch, pass } = setUp(async () => answer(404))
  thumbnails.want('7')
  await pass(GLANCE_MS)
  thumbnails.unwant('7')
  thumbnails.want('7')
  await pass(10 * REFETCH.longestMs)
  expect(fetch).toHaveBeenCalledOnce()
})

it('of thousands scrolled through only the last few hundred are kept, and never fewer than are in sight', async () => {
  const { thumbnails, pass } = setUp()
  thumbnails.want('in sight')
  await pass(GLANCE_MS)
  for (let image = 0; image < KEPT_THUMBNAILS + 50; image += 1) {
    thumbnails.want(String(image))
    await pass(GLANCE_MS)
    thumbnails.unwant(String(image))
  }
  expect(URL.revokeObjectURL).toHaveBeenCalledTimes(51)
  expect(thumbnails.of('0')).toBeUndefined()
  expect(thumbnails.of('in sight')).toBe('blob:1')
  expect(thumbnails.of(String(KEPT_THUMBNAILS + 49))).toBeDefined()
})

it('closing leaves no timer and no request behind', async () => {
  const { thumbnails, asked, pass } = setUp(() => new Promise(() => {}))
  for (const image of ['1', '2', '3', '4', '5']) thumbnails.want(image)
  await pass(GLANCE_MS)
  thumbnails.want('6')
  thumbnails.close()
  expect(asked.every(({ signal }) => signal.aborted)).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})
