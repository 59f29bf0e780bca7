import { beforeEach, describe, expect, it, vi } from 'vitest'
import { connectApi, MOST_AT_A_TIME, RequestError } from './api'
import { anImage } from './testing'
import { LANGUAGES } from './words/words'

const fetching = vi.fn<typeof fetch>()
beforeEach(() => {
  fetching.mockReset()
  vi.stubGlobal('fetch', fetching)
})

describe('a request', () => {
  it('carries no token: that is in a cookie which no script reads', async () => {
    fetching.mockImplementation(async () => Response.json({ id: 'abc' }, { status: 201 }))
    expect(await connectApi().createBatch()).toBe('abc')
    expect(fetching.mock.calls[0]?.[1]).toEqual({ method: 'POST' })
  })

  it('that is turned away is told of, and a token that is tried in the form is not', async () => {
    const body = { error: { code: 'token_expired', message: 'this token expired' } }
    fetching.mockImplementation(async () => Response.json(body, { status: 401 }))
    const api = connectApi()
    const turnedAway = vi.fn()
    api.onTurnedAway(turnedAway)
    await failureOf(api.logIn('guess'))
    expect(turnedAway).not.toHaveBeenCalled()
    await failureOf(api.workers())
    expect(turnedAway.mock.calls).toEqual([[body.error]])
  })

  it('reads which page the manager serves now out of that page', async () => {
    const html = '<!doctype html><html><head><meta name="manyeyes-page" content="ab12"></head></html>'
    fetching.mockResolvedValueOnce(new Response(html)).mockResolvedValueOnce(new Response('<h1>?</h1>'))
    expect(await connectApi().pageDigest()).toBe('ab12')
    expect(await connectApi().pageDigest()).toBeNull()
  })

  it('asks for the page after an image', async () => {
    fetching.mockResolvedValue(Response.json({}))
    await connectApi().page('a/b', '17', 1000)
    expect(fetching.mock.calls[0]?.[0]).toBe('/api/v1/batches/a%2Fb?limit=1000&after=17')
  })

  it('fails with the manager\'s own sentence, and with how long to wait', async () => {
    const body = { error: { code: 'busy', message: 'Too many uploads at once.' } }
    fetching.mockResolvedValue(Response.json(body, { status: 429, headers: { 'Retry-After': '2' } }))
    const error = await failureOf(connectApi().createBatch())
    expect(error).toMatchObject({ status: 429, code: 'busy', message: 'Too many uploads at once.', retryAfterMs: 2000 })
  })

  it('fails in words also when a proxy answers with a page', async () => {
    fetching.mockResolvedValue(new Response('<h1>Bad Gateway</h1>', { status: 502 }))
    const error = await failureOf(connectApi().workers())
    const said = LANGUAGES.map(({ words }) => words.shared.problem(error))
    expect(said).toEqual(['Something went wrong: HTTP 502.', '出现意外问题：HTTP 502。'])
  })

  it('fails as unreachable when there is no answer', async () => {
    fetching.mockRejectedValue(new TypeError('Failed to fetch'))
    expect(await failureOf(connectApi().model())).toMatchObject({ status: 0, code: 'unreachable' })
  })
})

describe('many images', () => {
  const sent = () => fetching.mock.calls.map(([url, request]) => [url, JSON.parse(String(request?.body))] as const)

  it('are named in the body, and their number is told', async () => {
    fetching.mockResolvedValue(Response.json({ done: 1, refused: 1 }))
    expect(await connectApi().cancelAll('b', ['3', '4'])).toEqual({ done: 1, refused: 1 })
    expect(sent()).toEqual([['/api/v1/batches/b/cancel', { images: ['3', '4'] }]])
    expect(fetching.mock.calls[0]?.[1]?.headers).toEqual({
      'Content-Type': 'application/json',
    })
  })

  it('that are more than one request takes are sent in several', async () => {
    fetching.mockImplementation(async () => Response.json({ done: 10, refused: 1 }))
    const images = Array.from({ length: 2 * MOST_AT_A_TIME + 1 }, (_, index) => String(index))
    expect(await connectApi().retryAll('b', images)).toEqual({ done: 30, refused: 3 })
    expect(sent().flatMap(([, body]) => body.images)).toEqual(images)
    expect(sent().map(([, body]) => body.images.length)).toEqual([MOST_AT_A_TIME, MOST_AT_A_TIME, 1])
    expect(await connectApi().deleteAll('b', [])).toEqual({ done: 0, refused: 0 })
    expect(fetching).toHaveBeenCalledTimes(3)
  })
})

it('a batch is asked which files it has', async () => {
  fetching.mockResolvedValue(Response.json({ sha256: ['bb'] }))
  expect(await connectApi().known('b', ['aa', 'bb'])).toEqual(['bb'])
  expect(fetching.mock.calls[0]?.[1]?.body).toBe('{"sha256":["aa","bb"]}')
})

it('an image that is removed leaves no answer', async () => {
  fetching.mockResolvedValue(new Response(null, { status: 204 }))
  expect(await connectApi().delete('b', '7')).toBeUndefined()
  expect(fetching.mock.calls[0]).toEqual(['/api/v1/batches/b/images/7', { method: 'DELETE' }])
})

describe('an upload', () => {
  it('sends the file itself, with its name and its key, and tells how far it is', async () => {
    const requests = stubXhr()
    const file = new File(['x'], 'a & b.jpg')
    const progress: number[] = []
    const upload = connectApi().upload('b', file, 'key-1', (share) => progress.push(share))
    const request = requests[0] as FakeXhr
    expect(request.url).toBe('/api/v1/batches/b/images?name=a+%26+b.jpg')
    expect(request.headers).toEqual({
      'Idempotency-Key': 'key-1',
      'Content-Type': 'application/octet-stream',
    })
    expect(request.body).toBe(file)
    request.upload.onprogress?.({ loaded: 1, total: 4 })
    expect(progress).toEqual([0.25])
    request.answer(202, { images: [anImage()] })
    expect(await upload.images).toEqual([anImage()])
  })

  it('fails with the reason of a refusal, of silence, and of being stopped', async () => {
    const requests = stubXhr()
    const send = () => connectApi().upload('b', new File([], 'a'), 'k', () => {})
    const refused = send()
    requests[0]?.answer(413, { error: { code: 'too_large', message: 'Too large.' } })
    expect(await failureOf(refused.images)).toMatchObject({ status: 413, code: 'too_large' })
    const lost = send()
    requests[1]?.onerror?.()
    expect(await failureOf(lost.images)).toMatchObject({ code: 'unreachable' })
    const stopped = send()
    stopped.abort()
    expect(await failureOf(stopped.images)).toMatchObject({ code: 'aborted' })
  })
})

it('events come over a WebSocket of the page\'s own origin', () => {
  const url = new URL(connectApi().eventsUrl('b', 7))
  expect(url.protocol).toBe('ws:')
  expect(url.host).toBe(location.host)
  expect(url.pathname + url.search).toBe('/api/v1/batches/b/events?from=7')
})

async function failureOf(promise: Promise<unknown>): Promise<RequestError> {
  const error = await promise.then(
    () => null,
    (cause: unknown) => cause,
  )
  expect(error).toBeInstanceOf(RequestError)
  return error as RequestError
}

class FakeXhr {
  upload: { onprogress: ((event: { loaded: number; total: number }) => void) | null } = { onprogress: null }
  onload: (() => void) | null = null
  onerror: (() => void) | null = null
  onabort: (() => void) | null = null
  status = 0
  responseText = ''
  url = ''
  headers: Record<string, string> = {}
  body: unknown = null
  open(_method: string, url: string) {
    this.url = url
  }
  setRequestHeader(name: string, value: string) {
    this.headers[name] = value
  }
  getResponseHeader() {
    return null
  }
  send(body: unknown) {
    this.body = body
  }
  abort() {
    this.onabort?.()
  }
  answer(status: number, body: unknown) {
    this.status = status
    this.responseText = JSON.stringify(body)
    this.onload?.()
  }
}

function stubXhr(): FakeXhr[] {
  const requests: FakeXhr[] = []
  vi.stubGlobal(
    'XMLHttpRequest',
    class extends FakeXhr {
      constructor() {
        super()
        requests.push(this)
      }
    },
  )
  return requests
}
