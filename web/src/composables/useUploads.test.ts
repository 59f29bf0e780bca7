import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RequestError } from '../api'
import type { Image } from '../protocol'
import { FileProblem } from '../rules/fileProblem'
import { MOST_FILE_BYTES, type OfferedFile } from '../rules/files'
import { anImage, settle } from '../testing'
import { HOLD } from './hold'
import { FAILURES_LISTED } from './uploadLedger'
import { PARALLEL_UPLOADS, RETRY, TRIES_AFTER_ERRORS, useUploads } from './useUploads'

interface Sent {
  name: string
  key: string
  progress(share: number): void
  arrive(images?: Image[]): Promise<void>
  fail(error: RequestError): Promise<void>
  abort: ReturnType<typeof vi.fn>
}

/** A page with `images`, and a manager that answers when a test says so. Digests are the files' names. */
function setUp({ images = [] as Image[], knownDigests = [] as string[] } = {}) {
  const sent: Sent[] = []
  const arrived: string[] = []
  const frames: (() => void)[] = []
  const batch = vi.fn(async () => 'b')
  const known = vi.fn(async (_batch: string, digests: readonly string[]) => digests.filter((one) => knownDigests.includes(one)))
  const digest = vi.fn(async (file: File) => `digest of ${file.name}`)
  const imagesHere = vi.fn(async (): Promise<Image[]> => images)
  let keys = 0
  let now = 0
  const uploads = useUploads({
    api: {
      known,
      upload(_batch, file, key, progress) {
        const { promise, resolve, reject } = deferred<Image[]>()
        const abort = vi.fn(() => reject(new RequestError(0, 'aborted', 'stopped')))
        const arrive = (images = [anImage()]) => (resolve(images), settle())
        const fail = (error: RequestError) => (reject(error), settle())
        sent.push({ name: file.name, key, progress, arrive, fail, abort })
        return { images: promise, abort }
      },
    },
    batch,
    images: imagesHere,
    digest,
    onArrived: (arrivals) => arrived.push(...arrivals.map(({ key, images }) => `${key} is ${images[0]?.id}`)),
    chance: () => 1,
    newKey: () => `key-${++keys}`,
    nowMs: () => now,
    nextFrame: (show) => frames.push(show),
  })

  /** All that can happen happens, and is shown. */
  async function shown() {
    await settle()
    while (frames.length > 0) frames.shift()?.()
    return uploads.summary.value
  }

  /** Adds files and waits until they are on their way. */
  async function add(...files: OfferedFile[]) {
    uploads.add(files)
    return shown()
  }

  const pass = async (ms: number) => {
    now += ms
    await vi.advanceTimersByTimeAsync(ms)
    await shown()
  }
  const pending = () => [...uploads.pending.values()].map(({ file, state }) => `${file.name} ${state}`)
  const file = (key: string) => uploads.pending.get(key)
  return { uploads, sent, arrived, batch, known, digest, imagesHere, frames, add, shown, pass, pending, file }
}

function deferred<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]))
  return { promise, resolve, reject }
}

function offered(name: string, { bytes = 1, path = name, lastModified = 1 } = {}): OfferedFile {
  const file = new File(['x'.repeat(Math.min(bytes, 1000))], name.split('/').at(-1) ?? '', { lastModified })
  if (bytes > 1000) Object.defineProperty(file, 'size', { value: bytes })
  return { file, path }
}

function files(count: number): OfferedFile[] {
  return Array.from({ length: count }, (_, number) => offered(`${number + 1}.jpg`))
}

const away = () => new RequestError(0, 'unreachable', 'The manager cannot be reached.')
const busy = (waitMs: number) => new RequestError(429, 'busy', 'Too much at once.', waitMs)
const broken = () => new RequestError(500, 'internal', 'Something broke.')

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('files on their way', () => {
  it('travel a few at a time, in order', async () => {
    const { uploads, sent, arrived, add, shown } = setUp()
    await add(...files(6))
    expect(sent.map(({ name }) => name)).toEqual(['1.jpg', '2.jpg', '3.jpg', '4.jpg'])
    expect(sent).toHaveLength(PARALLEL_UPLOADS)
    await sent[1]?.arrive([anImage({ id: '70' })])
    await shown()
    expect(sent.at(-1)?.name).toBe('5.jpg')
    expect(arrived).toEqual(['key-2 is 70'])
    expect(uploads.pending.size).toBe(5)
  })

  it('say how far they are, each and all together, in bytes', async () => {
    const { sent, add, shown, file } = setUp()
    await add(offered('a.jpg', { bytes: 300 }), offered('b.jpg', { bytes: 100 }))
    sent[0]?.progress(0.5)
    await sent[1]?.arrive()
    const summary = await shown()
    expect(file('key-1')).toMatchObject({ state: 'sending', share: 0.5 })
    expect(summary).toMatchObject({ state: 'sending', files: 2, doneFiles: 1, bytes: 400, doneBytes: 250 })
  })

  it('say how fast they go and how long it takes, once that is known', async () => {
    const { sent, add, shown, pass } = setUp()
    expect(await add(offered('a.jpg', { bytes: 10_000 }))).toMatchObject({ bytesPerS: null, secondsLeft: null })
    await pass(2000)
    sent[0]?.progress(0.4)
    expect(await shown()).toMatchObject({ bytesPerS: 2000, secondsLeft: 3 })
  })

  it('keep their key over all tries', async () => {
    const { sent, add, pass } = setUp()
    await add(...files(1))
    await sent[0]?.fail(away())
    await pass(HOLD.firstMs)
    expect(sent.map(({ key }) => key)).toEqual(['key-1', 'key-1'])
  })

  it('are shown once a frame, however much happens', async () => {
    const { uploads, sent, frames, add } = setUp()
    await add(...files(3))
    sent[0]?.progress(0.1)
    expect(uploads.pending.get('key-1')?.share).toBe(0.1)
    sent[0]?.progress(0.2)
    sent[0]?.progress(0.3)
    await sent[1]?.arrive()
    expect(uploads.pending.get('key-1')?.share).toBe(0.1)
    expect(uploads.pending.has('key-2')).toBe(true)
    expect(frames).toHaveLength(1)
    frames.shift()?.()
    expect(uploads.pending.get('key-1')?.share).toBe(0.3)
    expect(uploads.pending.has('key-2')).toBe(false)
  })

  it('leave nothing behind when they have arrived', async () => {
    const { uploads, sent, add, shown } = setUp()
    await add(...files(2))
    for (const one of sent) await one.arrive()
    expect(await shown()).toMatchObject({ state: 'idle', files: 2, doneFiles: 2 })
    expect(uploads.pending.size).toBe(0)
    uploads.clear()
    expect(await shown()).toMatchObject({ state: 'idle', files: 0 })
  })

  it('cost no more each when there are ten thousand', async () => {
    const { sent, add, shown } = setUp()
    await add(...files(10_000))
    for (let number = 0; number < 10_000; number += 1) await sent[number]?.arrive()
    expect(await shown()).toMatchObject({ state: 'idle', doneFiles: 10_000 })
  }, 20_000)
})

describe('a manager that is away or busy', () => {
  it('is waited for by all files together, and one tries before the others do', async () => {
    const { uploads, sent, add, pass, shown } = setUp()
    await add(...files(100))
    for (const one of sent.slice()) await one.fail(away())
    expect(sent).toHaveLength(4)
    expect(await shown()).toMatchObject({ state: 'waiting', problem: { code: 'unreachable' } })
    await pass(HOLD.firstMs)
    expect(sent).toHaveLength(5)
    await sent[4]?.arrive()
    expect(sent).toHaveLength(5 + PARALLEL_UPLOADS)
    expect(uploads.summary.value.state).toBe('sending')
  })

  it('is outlasted, however long it is away', async () => {
    const { sent, arrived, add, pass, shown } = setUp()
    await add(...files(1))
    for (let failure = 0; failure < 30; failure += 1) {
      await sent.at(-1)?.fail(away())
      await pass(HOLD.longestMs)
    }
    await sent.at(-1)?.arrive()
    await shown()
    expect(arrived).toEqual(['key-1 is 1'])
  })

  it('that asks to wait is asked no sooner, also when its connection comes back', async () => {
    const { uploads, sent, add, pass } = setUp()
    await add(...files(1))
    await sent[0]?.fail(busy(7000))
    uploads.hurry()
    // As long as it asked for, and by chance half as long again.
    await pass(10_499)
    expect(sent).toHaveLength(1)
    await pass(1)
    expect(sent).toHaveLength(2)
  })

  it('is told of in words, until it has room', async () => {
    const { sent, add, pass, shown } = setUp()
    await add(...files(1))
    await sent[0]?.fail(new RequestError(429, 'queue_full', 'as many images wait as the manager holds', 1000))
    expect(await shown()).toMatchObject({ state: 'waiting', problem: { code: 'queue_full' } })
    await pass(1500)
    await sent[1]?.arrive()
    expect((await shown()).problem).toBeNull()
  })

  it('and holds few is given thousands little by little, and nobody has to do anything', async () => {
    const FILES = 2000
    const PLACES = 40
    const PER_S = 50
    const { sent, arrived, add, pass } = setUp()
    await add(...files(FILES))
    let [waiting, answered, refused] = [0, 0, 0]
    for (let seconds = 0; arrived.length < FILES; seconds += 1) {
      expect(seconds).toBeLessThan((4 * FILES) / PER_S)
      while (answered < sent.length) {
        const request = sent[answered++]
        if (waiting < PLACES) {
          waiting += 1
          await request?.arrive([anImage({ id: String(arrived.length) })])
        } else {
          refused += 1
          await request?.fail(new RequestError(429, 'too_many_from_you', 'as many of yours wait as may', 1000))
        }
        await settle()
      }
      await pass(1000)
      waiting = Math.max(0, waiting - PER_S)
    }
    expect(new Set(arrived.map((arrival) => arrival.split(' ')[0])).size).toBe(FILES)
    expect(sent.length).toBe(FILES + refused)
    // It does not knock more often than a few times for each time that it is let in.
    expect(refused).toBeLessThan(FILES / 2)
  })

  it('is asked at once when it is back', async () => {
    const { uploads, sent, add, pass } = setUp()
    await add(...files(1))
    await sent[0]?.fail(away())
    uploads.hurry()
    await settle()
    expect(sent).toHaveLength(2)
    await pass(HOLD.longestMs)
    expect(sent).toHaveLength(2)
  })

  it('is waited for to make the batch, too', async () => {
    const { sent, batch, add, pass, uploads } = setUp()
    batch.mockRejectedValueOnce(away())
    await add(...files(1))
    expect(uploads.summary.value.state).toBe('waiting')
    await pass(HOLD.firstMs)
    expect(sent).toHaveLength(1)
  })

  it('that has no such batch any more is not asked by every file', async () => {
    const { sent, add, shown } = setUp()
    await add(...files(100))
    await sent[0]?.fail(new RequestError(404, 'no_such_batch', 'There is no such batch.'))
    expect(await shown()).toMatchObject({ state: 'idle', failed: 100 })
    expect(sent).toHaveLength(PARALLEL_UPLOADS)
  })
})

describe('a file that cannot be sent', () => {
  it('because it is refused is not sent again, and says why', async () => {
    const { sent, add, pass, file } = setUp()
    await add(...files(1))
    await sent[0]?.fail(new RequestError(400, 'bad_request', 'That is no file.'))
    await pass(RETRY.longestMs)
    expect(sent).toHaveLength(1)
    expect(file('key-1')).toMatchObject({ state: 'failed', problem: { code: 'bad_request', message: 'That is no file.' } })
  })

  it('because it is too large never travels, and its neighbours do', async () => {
    const { sent, add, file } = setUp()
    await add(offered('huge.jpg', { bytes: MOST_FILE_BYTES + 1 }), offered('just.jpg', { bytes: MOST_FILE_BYTES }))
    expect(sent.map(({ name }) => name)).toEqual(['just.jpg'])
    expect(file('key-1')).toMatchObject({ state: 'failed', problem: { code: 'too_large' } })
  })

  it('is given up after some errors of the manager, and a person may try again', async () => {
    const { uploads, sent, add, pass, file } = setUp()
    await add(...files(1))
    for (let failure = 0; failure < TRIES_AFTER_ERRORS; failure += 1) {
      await sent.at(-1)?.fail(broken())
      await pass(RETRY.longestMs)
    }
    expect(sent).toHaveLength(TRIES_AFTER_ERRORS)
    expect(file('key-1')?.state).toBe('failed')
    uploads.retry('key-1')
    await pass(0)
    expect(sent).toHaveLength(TRIES_AFTER_ERRORS + 1)
    expect(file('key-1')?.state).toBe('sending')
  })

  it('does not hold up others while it waits for its next try', async () => {
    const { sent, add, shown, pending } = setUp()
    await add(...files(5))
    await sent[0]?.fail(broken())
    await shown()
    expect(sent.at(-1)?.name).toBe('5.jpg')
    expect(pending()[0]).toBe('1.jpg waiting')
  })

  it.each([
    ['deleted', 'NotFoundError'],
    ['changed', 'NotReadableError'],
  ])('because it was %s meanwhile says so instead of blaming the network', async (code, name) => {
    const { uploads, sent, add, shown, file } = setUp()
    const lost = offered('lost.jpg')
    vi.spyOn(lost.file, 'slice').mockImplementation(() => {
      throw new DOMException('gone', name)
    })
    await add(lost, offered('other.jpg'))
    await sent[0]?.fail(away())
    await shown()
    expect(file('key-1')).toMatchObject({ state: 'failed', problem: { code } })
    expect(file('key-2')?.state).toBe('sending')
    expect(uploads.summary.value.state).toBe('sending')
    // The browser would never read it again: it has to be chosen anew.
    uploads.retryFailed()
    await shown()
    expect(file('key-1')?.state).toBe('failed')
  })

  it('is listed with the first that failed, and all can be tried again at once', async () => {
    const { uploads, sent, add, shown } = setUp()
    await add(...files(FAILURES_LISTED + 5))
    for (let number = 0; number < FAILURES_LISTED + 5; number += 1) {
      await sent[number]?.fail(new RequestError(400, 'bad_request', 'No.'))
    }
    expect((await shown()).failed).toBe(FAILURES_LISTED + 5)
    expect(uploads.failures.value).toHaveLength(FAILURES_LISTED)
    uploads.retryFailed()
    expect((await shown()).failed).toBe(0)
    expect(sent).toHaveLength(FAILURES_LISTED + 5 + PARALLEL_UPLOADS)
  })
})

describe('a person may', () => {
  it('pause everything: what was half sent begins anew on resuming, what was sent whole ends', async () => {
    const { uploads, sent, arrived, add, shown } = setUp()
    await add(...files(6))
    sent[0]?.progress(1)
    sent[1]?.progress(0.5)
    uploads.pause()
    expect(await shown()).toMatchObject({ state: 'paused', files: 6 })
    expect(sent.map(({ abort }) => abort.mock.calls.length)).toEqual([0, 1, 1, 1])
    await sent[0]?.arrive()
    await shown()
    expect(arrived).toEqual(['key-1 is 1'])
    expect(sent).toHaveLength(4)
    uploads.resume()
    expect(await shown()).toMatchObject({ state: 'sending', doneFiles: 1 })
    expect(sent.slice(4).map(({ name, key }) => `${name} ${key}`)).toEqual([
      '2.jpg key-2',
      '3.jpg key-3',
      '4.jpg key-4',
      '5.jpg key-5',
    ])
  })

  it('pause, and what waited for the manager waits on', async () => {
    const { uploads, sent, add, pass } = setUp()
    await add(...files(1))
    await sent[0]?.fail(away())
    uploads.pause()
    await pass(HOLD.longestMs)
    expect(sent).toHaveLength(1)
    uploads.resume()
    await pass(0)
    expect(sent).toHaveLength(2)
  })

  it('cancel all that is not sent, and nothing else', async () => {
    const { uploads, sent, arrived, add, shown, pending } = setUp()
    await add(offered('huge.jpg', { bytes: MOST_FILE_BYTES + 1 }), ...files(10))
    sent[0]?.progress(1)
    uploads.cancel()
    expect(await shown()).toMatchObject({ state: 'sending', cancelled: 9, failed: 1 })
    await sent[0]?.arrive()
    expect(await shown()).toMatchObject({ state: 'idle', doneFiles: 1, cancelled: 9 })
    expect(arrived).toEqual(['key-2 is 1'])
    expect(pending()).toEqual(['huge.jpg failed'])
    expect(sent).toHaveLength(PARALLEL_UPLOADS)
  })

  it('cancel while paused, and what comes later is sent', async () => {
    const { uploads, sent, add } = setUp()
    await add(...files(2))
    uploads.pause()
    uploads.cancel()
    await add(offered('later.jpg'))
    expect(sent.at(-1)?.name).toBe('later.jpg')
  })

  it('dismiss a file before its turn, and it is never sent', async () => {
    const { uploads, sent, add } = setUp()
    await add(...files(6))
    uploads.dismiss('key-5')
    await sent[0]?.arrive()
    expect(sent.at(-1)?.name).toBe('6.jpg')
  })

  it('dismiss a file that travels: it is stopped and forgotten, and makes room', async () => {
    const { uploads, sent, add, shown } = setUp()
    await add(...files(5))
    uploads.dismiss('key-1')
    await shown()
    expect(sent[0]?.abort).toHaveBeenCalledOnce()
    expect(uploads.pending.has('key-1')).toBe(false)
    expect(sent.at(-1)?.name).toBe('5.jpg')
  })

  it('dismiss all that has failed', async () => {
    const { uploads, add, shown } = setUp()
    await add(offered('huge.jpg', { bytes: MOST_FILE_BYTES + 1 }))
    uploads.dismissFailed()
    expect(await shown()).toMatchObject({ failed: 0 })
    expect(uploads.pending.size).toBe(0)
  })
})

describe('what is dropped again', () => {
  const image = (name: string, own: Partial<Image> = {}) => anImage({ id: name, bytes: 7, sha256: `digest of ${name}`, ...own })
  const seven = (name: string) => offered(name, { bytes: 7 })

  it('is sent only as far as it is missing, and the rest is counted', async () => {
    const { sent, add } = setUp({ images: [image('a.jpg')], knownDigests: ['digest of a.jpg'] })
    const summary = await add(seven('a.jpg'), seven('b.jpg'))
    expect(sent.map(({ name }) => name)).toEqual(['b.jpg'])
    expect(summary).toMatchObject({ files: 1, bytes: 7, alreadyThere: 1 })
  })

  it('is not even read where no image of the batch has its size', async () => {
    const { sent, digest, known, add } = setUp({ images: [image('a.jpg')] })
    await add(offered('other.jpg', { bytes: 8 }))
    expect(sent).toHaveLength(1)
    expect(digest).not.toHaveBeenCalled()
    expect(known).not.toHaveBeenCalled()
  })

  it('waits until all of the batch is known', async () => {
    const { sent, imagesHere, add, shown } = setUp({ knownDigests: ['digest of a.jpg'] })
    const { promise, resolve } = deferred<Image[]>()
    imagesHere.mockReturnValueOnce(promise)
    expect(await add(seven('a.jpg'))).toMatchObject({ state: 'checking', checking: 1 })
    resolve([image('a.jpg')])
    expect(await shown()).toMatchObject({ state: 'idle', alreadyThere: 1 })
    expect(sent).toEqual([])
  })

  it('waits for a manager that is away, and is compared when it is back', async () => {
    const { sent, known, add, pass, uploads } = setUp({ images: [image('a.jpg')], knownDigests: ['digest of a.jpg'] })
    known.mockRejectedValueOnce(away())
    expect(await add(seven('a.jpg'))).toMatchObject({ state: 'waiting' })
    await pass(HOLD.firstMs)
    expect(uploads.summary.value).toMatchObject({ state: 'idle', alreadyThere: 1 })
    expect(sent).toEqual([])
  })

  it('is digested while the manager is away, which nobody takes for its return', async () => {
    const { sent, digest, known, add, shown, pass } = setUp({ images: [image('a.jpg')] })
    const { promise, resolve } = deferred<string>()
    digest.mockReturnValueOnce(promise)
    await add(seven('a.jpg'), offered('other.jpg', { bytes: 8 }))
    await sent[0]?.fail(away())
    resolve('digest of a.jpg')
    expect(await shown()).toMatchObject({ state: 'waiting' })
    expect(sent).toHaveLength(1)
    expect(known).not.toHaveBeenCalled()
    await pass(HOLD.firstMs)
    expect(known).toHaveBeenCalledOnce()
  })

  it('while it is still on its way is not sent twice', async () => {
    const { sent, add } = setUp()
    await add(...files(2))
    expect(await add(...files(3))).toMatchObject({ files: 3, alreadyThere: 2 })
    expect(sent.map(({ name }) => name)).toEqual(['1.jpg', '2.jpg', '3.jpg'])
  })

  it('after it has failed takes the place of what has failed', async () => {
    const { sent, add, pending, shown } = setUp()
    await add(...files(1))
    await sent[0]?.fail(new RequestError(400, 'bad_request', 'No.'))
    expect((await shown()).failed).toBe(1)
    await add(...files(1))
    expect(pending()).toEqual(['1.jpg sending'])
  })

  it('twice with one name in one drop is two pictures, also with the same bytes', async () => {
    const { sent, add } = setUp()
    await add(offered('same.jpg'), offered('same.jpg'), offered('summer/same.jpg'))
    expect(sent.map(({ name }) => name)).toEqual(['same.jpg', 'same.jpg', 'same.jpg'])
  })

  it('in more copies than the batch has is sent as often as it is missing', async () => {
    const { sent, digest, add } = setUp({ images: [image('a.jpg'), image('b.jpg', { sha256: 'digest of a.jpg' })], knownDigests: ['digest of a.jpg'] })
    digest.mockResolvedValue('digest of a.jpg')
    expect(await add(seven('1.jpg'), seven('2.jpg'), seven('3.jpg'))).toMatchObject({ alreadyThere: 2 })
    expect(sent.map(({ name }) => name)).toEqual(['3.jpg'])
  })

  it('after the manager has refused it is there already, with its refusal', async () => {
    const { sent, add } = setUp({ images: [image('a.jpg', { state: 'rejected' })] })
    expect(await add(seven('a.jpg'))).toMatchObject({ alreadyThere: 1 })
    expect(sent).toEqual([])
  })

  it('and cannot be read says so, and its neighbours are compared', async () => {
    const { digest, add, file } = setUp({ images: [image('b.jpg')], knownDigests: ['digest of b.jpg'] })
    digest.mockRejectedValueOnce(new FileProblem('NotFoundError'))
    expect(await add(seven('a.jpg'), seven('b.jpg'))).toMatchObject({ failed: 1, alreadyThere: 1 })
    expect(file('key-1')?.problem?.code).toBe('deleted')
  })

  it('is asked about in portions, and not at all while everything pauses', async () => {
    const { uploads, known, digest, shown } = setUp({ images: [image('a.jpg')] })
    uploads.add(Array.from({ length: 200 }, (_, number) => seven(`${number}.jpg`)))
    uploads.pause()
    await shown()
    expect(digest).not.toHaveBeenCalled()
    uploads.resume()
    await vi.waitFor(() => expect(digest).toHaveBeenCalledTimes(200))
    await shown()
    expect(known.mock.calls.map(([, digests]) => digests.length)).toEqual([64, 64, 64, 8])
  })

  it('is not compared any further when it is cancelled', async () => {
    const { uploads, digest, sent, shown } = setUp({ images: [image('a.jpg')] })
    uploads.add(Array.from({ length: 200 }, (_, number) => seven(`${number}.jpg`)))
    uploads.cancel()
    expect(await shown()).toMatchObject({ state: 'idle', cancelled: 200 })
    expect(digest).not.toHaveBeenCalled()
    expect(sent).toEqual([])
  })
})
