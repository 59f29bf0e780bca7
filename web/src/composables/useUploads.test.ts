import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RequestError } from '../api'
import type { Image } from '../protocol'
import { anImage, settle } from '../testing'
import { PARALLEL_UPLOADS, RETRY, TRIES_AFTER_ERRORS, useUploads } from './useUploads'

interface Sent {
  name: string
  key: string
  progress(share: number): void
  arrive(images: Image[]): Promise<void>
  fail(error: RequestError): Promise<void>
  abort: ReturnType<typeof vi.fn>
}

function setUp() {
  const sent: Sent[] = []
  const arrived: string[] = []
  const batch = vi.fn(async () => 'b')
  let keys = 0
  const uploads = useUploads({
    api: {
      upload(_batch, file, key, progress) {
        const { promise, resolve, reject } = deferred<Image[]>()
        const abort = vi.fn(() => reject(new RequestError(0, 'aborted', 'stopped')))
        const arrive = (images: Image[]) => (resolve(images), settle())
        const fail = (error: RequestError) => (reject(error), settle())
        sent.push({ name: file.name, key, progress, arrive, fail, abort })
        return { images: promise, abort }
      },
    },
    batch,
    onArrived: (file, images) => arrived.push(`${file.file.name} is ${images[0]?.id}`),
    chance: () => 1,
    newKey: () => `key-${++keys}`,
  })
  return { uploads, sent, arrived, batch }
}

function deferred<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]))
  return { promise, resolve, reject }
}

function files(count: number): File[] {
  return Array.from({ length: count }, (_, number) => new File(['x'], `${number + 1}.jpg`))
}

const away = () => new RequestError(0, 'unreachable', 'The manager cannot be reached.')
const broken = () => new RequestError(500, 'internal', 'Something broke.')

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('files on their way', () => {
  it('travel a few at a time, in order', async () => {
    const { uploads, sent, arrived } = setUp()
    uploads.add(files(6))
    await settle()
    expect(sent.map(({ name }) => name)).toEqual(['1.jpg', '2.jpg', '3.jpg', '4.jpg'])
    expect(sent).toHaveLength(PARALLEL_UPLOADS)
    await sent[1]?.arrive([anImage({ id: '70' })])
    expect(sent.at(-1)?.name).toBe('5.jpg')
    expect(arrived).toEqual(['2.jpg is 70'])
    expect(uploads.pending.size).toBe(5)
  })

  it('say how far they are', async () => {
    const { uploads, sent } = setUp()
    const [file] = uploads.add(files(1))
    await settle()
    sent[0]?.progress(0.4)
    expect(file?.state).toBe('sending')
    expect(file?.share).toBe(0.4)
  })

  it('keep their key over all tries', async () => {
    const { uploads, sent } = setUp()
    uploads.add(files(1))
    await settle()
    await sent[0]?.fail(away())
    await vi.advanceTimersByTimeAsync(RETRY.firstMs)
    expect(sent.map(({ key }) => key)).toEqual(['key-1', 'key-1'])
  })

  it('wait as long as the manager asks for', async () => {
    const { uploads, sent } = setUp()
    const [file] = uploads.add(files(1))
    await settle()
    await sent[0]?.fail(new RequestError(429, 'busy', 'Too much at once.', 7000))
    expect(file?.state).toBe('paused')
    await vi.advanceTimersByTimeAsync(6999)
    expect(sent).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(sent).toHaveLength(2)
  })

  it('do not hold up others while they wait', async () => {
    const { uploads, sent } = setUp()
    uploads.add(files(5))
    await settle()
    await sent[0]?.fail(new RequestError(429, 'busy', 'Too much at once.', 60_000))
    expect(sent.at(-1)?.name).toBe('5.jpg')
  })

  it('outlast a manager that is away for long', async () => {
    const { uploads, sent, arrived } = setUp()
    uploads.add(files(1))
    await settle()
    for (let failure = 0; failure < 30; failure += 1) {
      await sent.at(-1)?.fail(away())
      await vi.advanceTimersByTimeAsync(RETRY.longestMs)
    }
    await sent.at(-1)?.arrive([anImage()])
    expect(arrived).toEqual(['1.jpg is 1'])
  })

  it('are tried at once when the manager is back', async () => {
    const { uploads, sent } = setUp()
    uploads.add(files(1))
    await settle()
    await sent[0]?.fail(away())
    uploads.hurry()
    await settle()
    expect(sent).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(RETRY.longestMs)
    expect(sent).toHaveLength(2)
  })

  it('need the batch, and wait for it as for the manager', async () => {
    const { uploads, sent, batch } = setUp()
    batch.mockRejectedValueOnce(away())
    const [file] = uploads.add(files(1))
    await settle()
    expect(file?.state).toBe('paused')
    await vi.advanceTimersByTimeAsync(RETRY.firstMs)
    expect(sent).toHaveLength(1)
  })
})

describe('a file that cannot be sent', () => {
  it('that is refused is not sent again, and says why', async () => {
    const { uploads, sent } = setUp()
    const [file] = uploads.add(files(1))
    await settle()
    await sent[0]?.fail(new RequestError(413, 'too_large', 'The file is larger than 32 MiB.'))
    await vi.advanceTimersByTimeAsync(RETRY.longestMs)
    expect(sent).toHaveLength(1)
    expect(file?.state).toBe('failed')
    expect(file?.problem).toEqual({ code: 'too_large', message: 'The file is larger than 32 MiB.' })
  })

  it('is given up after some errors of the manager, and a person may try again', async () => {
    const { uploads, sent } = setUp()
    const [file] = uploads.add(files(1))
    await settle()
    for (let failure = 0; failure < TRIES_AFTER_ERRORS; failure += 1) {
      await sent.at(-1)?.fail(broken())
      await vi.advanceTimersByTimeAsync(RETRY.longestMs)
    }
    expect(sent).toHaveLength(TRIES_AFTER_ERRORS)
    expect(file?.state).toBe('failed')
    uploads.retry('key-1')
    await settle()
    expect(sent).toHaveLength(TRIES_AFTER_ERRORS + 1)
    expect(file?.state).toBe('sending')
  })

  it('that is no longer on the disk says so instead of blaming the network', async () => {
    const { uploads, sent } = setUp()
    const lost = new File(['x'], 'lost.jpg')
    vi.spyOn(lost, 'slice').mockImplementation(() => {
      throw new DOMException('gone', 'NotReadableError')
    })
    const [file] = uploads.add([lost])
    await settle()
    await sent[0]?.fail(away())
    expect(file?.problem?.code).toBe('unreadable')
    expect(file?.state).toBe('failed')
  })

  it('is never sent when it is dismissed before its turn', async () => {
    const { uploads, sent } = setUp()
    uploads.add(files(6))
    await settle()
    uploads.dismiss('key-5')
    await sent[0]?.arrive([anImage()])
    expect(sent.at(-1)?.name).toBe('6.jpg')
  })

  it('is stopped and forgotten when it is dismissed, and makes room', async () => {
    const { uploads, sent } = setUp()
    uploads.add(files(5))
    await settle()
    uploads.dismiss('key-1')
    await settle()
    expect(sent[0]?.abort).toHaveBeenCalledOnce()
    expect(uploads.pending.has('key-1')).toBe(false)
    expect(sent.at(-1)?.name).toBe('5.jpg')
  })
})
