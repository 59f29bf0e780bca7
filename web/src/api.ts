/** The manager's HTTP interface (`docs/api.md`), typed. Whatever goes wrong becomes a `RequestError`. */

import { pageDigestOf } from './pageDigest'
import type {
  BatchPage,
  ErrorBody,
  Image,
  Known,
  LogIn,
  Model,
  NewBatch,
  Problem,
  Selection,
  SelectionDone,
  Session,
  Uploaded,
  Workers,
} from './protocol'
import { retryAfterMs } from './rules/backoff'

/** The most ids or digests that the manager takes in one request. */
export const MOST_AT_A_TIME = 10_000

/** A request that failed. What a person reads of it is made of the code, and of the manager's own words (`words.shared.problem`). */
export class RequestError extends Error {
  constructor(
    /** The HTTP status; 0 when there was no answer at all. */
    readonly status: number,
    /**
     * From the table in `docs/api.md`. Or: `unreachable` when there was no answer, `aborted` when it was not waited for,
     * `unknown` when the answer was none of the manager's.
     */
    readonly code: string,
    message: string,
    /** How long the manager asks to wait before the next try. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message)
  }
}

/** What went wrong, to be put into words. What is no failed request is a mistake of this page. */
export function asProblem(error: unknown): Problem {
  if (error instanceof RequestError) return { code: error.code, message: error.message }
  return { code: 'unknown', message: error instanceof Error ? error.message : String(error) }
}

/** An upload: how far it is, and how to end it early. */
export interface Upload {
  /** The images that the manager made of it. Rejects with a `RequestError`. */
  readonly images: Promise<Image[]>
  /** Ends it. `images` then rejects. */
  abort(): void
}

/** What the page asks of the manager. */
export interface Api {
  /** As what this browser is let in. */
  session(): Promise<Session>
  /** Has the manager set a cookie with this token, if it counts. */
  logIn(token: string): Promise<Session>
  /** Has the cookie removed. */
  logOut(): Promise<void>
  /** From now on this is called whenever the manager answers that the token does not count (any more), or that there is none. */
  onTurnedAway(listener: (problem: Problem) => void): void
  /** Makes an empty batch and gives its id. */
  createBatch(): Promise<string>
  /** The images of a batch in upload order, those after the image `after`, at most `limit`. */
  page(batch: string, after: string | null, limit: number): Promise<BatchPage>
  /** Sends one file. Sending it again with the same `key` is answered with the same images. */
  upload(batch: string, file: File, key: string, onProgress: (share: number) => void): Upload
  /** Those of the digests (hex SHA-256, at most `MOST_AT_A_TIME`) whose files the batch has already. */
  known(batch: string, digests: readonly string[]): Promise<string[]>
  /** Has a recognised, failed or cancelled image recognised (again). */
  retry(batch: string, image: string): Promise<Image>
  /** Takes an image back that has not ended. */
  cancel(batch: string, image: string): Promise<Image>
  /** Removes an image and its file. */
  delete(batch: string, image: string): Promise<void>
  /** `retry` for many images: any number, sent `MOST_AT_A_TIME` by `MOST_AT_A_TIME`. */
  retryAll(batch: string, images: readonly string[]): Promise<SelectionDone>
  /** `cancel` for many images. */
  cancelAll(batch: string, images: readonly string[]): Promise<SelectionDone>
  /** `delete` for many images. */
  deleteAll(batch: string, images: readonly string[]): Promise<SelectionDone>
  /** The workers, whichever batch is shown. */
  workers(): Promise<Workers>
  /** The model in use. */
  model(): Promise<Model>
  /** The digest of the page that the manager serves now; null where it has none. */
  pageDigest(): Promise<string | null>
  /** Where the small picture of an image is. */
  thumbnailUrl(batch: string, image: string): string
  /** Where the file of an image is, as it was uploaded. */
  fileUrl(batch: string, image: string): string
  /** Where all images of a batch with their answers are, as a file to keep. */
  exportUrl(batch: string, format: 'csv' | 'json'): string
  /** Where the changes after change `from` are told. */
  eventsUrl(batch: string, from: number): string
}

/** Speaks to the manager that served this page. A token travels in the cookie that logging in has set. */
export function connectApi(): Api {
  const batchUrl = (batch: string) => `/api/v1/batches/${encodeURIComponent(batch)}`
  const imageUrl = (batch: string, image: string) => `${batchUrl(batch)}/images/${encodeURIComponent(image)}`
  let turnedAway: (problem: Problem) => void = () => {}

  function told<Answer>(answer: Promise<Answer>): Promise<Answer> {
    return answer.catch((error: unknown) => {
      if (error instanceof RequestError && error.status === 401) turnedAway(asProblem(error))
      throw error
    })
  }
  const ask = <Answer>(method: string, url: string, content?: unknown) => told(answerTo<Answer>(method, url, content))

  /** In parts that the manager takes, one after the other. What fails leaves the parts before it done. */
  async function askForAll(url: string, images: readonly string[]): Promise<SelectionDone> {
    const sum: SelectionDone = { done: 0, refused: 0 }
    for (let begin = 0; begin < images.length; begin += MOST_AT_A_TIME) {
      const selection: Selection = { images: images.slice(begin, begin + MOST_AT_A_TIME) }
      const part = await ask<SelectionDone>('POST', url, selection)
      sum.done += part.done
      sum.refused += part.refused
    }
    return sum
  }

  return {
    session: () => answerTo<Session>('GET', '/api/v1/session'),
    logIn: (token) => answerTo<Session>('POST', '/api/v1/session', { token } satisfies LogIn),
    async logOut() {
      await answerTo<null>('DELETE', '/api/v1/session')
    },
    onTurnedAway(listener) {
      turnedAway = listener
    },
    async createBatch() {
      return (await ask<NewBatch>('POST', '/api/v1/batches')).id
    },
    page(batch, after, limit) {
      const query = new URLSearchParams({ limit: String(limit) })
      if (after !== null) query.set('after', after)
      return ask<BatchPage>('GET', `${batchUrl(batch)}?${query}`)
    },
    upload(batch, file, key, onProgress) {
      const url = `${batchUrl(batch)}/images?${new URLSearchParams({ name: file.name })}`
      const { images, abort } = send(url, file, { 'Idempotency-Key': key }, onProgress)
      return { images: told(images), abort }
    },
    async known(batch, digests) {
      const question: Known = { sha256: [...digests] }
      return (await ask<Known>('POST', `${batchUrl(batch)}/known`, question)).sha256
    },
    retry: (batch, image) => ask<Image>('POST', `${imageUrl(batch, image)}/retry`),
    cancel: (batch, image) => ask<Image>('POST', `${imageUrl(batch, image)}/cancel`),
    async delete(batch, image) {
      await ask<null>('DELETE', imageUrl(batch, image))
    },
    retryAll: (batch, images) => askForAll(`${batchUrl(batch)}/retry`, images),
    cancelAll: (batch, images) => askForAll(`${batchUrl(batch)}/cancel`, images),
    deleteAll: (batch, images) => askForAll(`${batchUrl(batch)}/delete`, images),
    workers: () => ask<Workers>('GET', '/api/v1/workers'),
    model: () => ask<Model>('GET', '/api/v1/model'),
    async pageDigest() {
      const html = await textOf('/', {})
      return pageDigestOf(new DOMParser().parseFromString(html, 'text/html'))
    },
    thumbnailUrl: (batch, image) => `${imageUrl(batch, image)}/thumbnail`,
    fileUrl: (batch, image) => `${imageUrl(batch, image)}/file`,
    exportUrl: (batch, format) => `${batchUrl(batch)}/export.${format}`,
    eventsUrl(batch, from) {
      const url = new URL(`${batchUrl(batch)}/events?from=${from}`, location.href)
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
      return url.href
    },
  }
}

async function answerTo<Answer>(method: string, url: string, content?: unknown): Promise<Answer> {
  const request: RequestInit =
    content === undefined
      ? { method }
      : { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(content) }
  return parse(await textOf(url, request)) as Answer
}

async function textOf(url: string, request: RequestInit): Promise<string> {
  const response = await fetch(url, request).catch(() => {
    throw unreachable()
  })
  const text = await response.text().catch(() => {
    throw unreachable()
  })
  if (!response.ok) throw failure(response.status, text, response.headers.get('Retry-After'))
  return text
}

/** `fetch` does not tell how far an upload is; `XMLHttpRequest` does, and reads the file from disk as it goes. */
function send(
  url: string,
  file: File,
  headers: Record<string, string>,
  onProgress: (share: number) => void,
): Upload {
  const request = new XMLHttpRequest()
  const images = new Promise<Image[]>((resolve, reject) => {
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0)
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve((parse(request.responseText) as Uploaded).images)
      } else {
        reject(failure(request.status, request.responseText, request.getResponseHeader('Retry-After')))
      }
    }
    request.onerror = () => reject(unreachable())
    request.onabort = () => reject(new RequestError(0, 'aborted', 'the upload was stopped'))
  })
  request.open('POST', url)
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
  // The manager looks at the bytes, never at the type that a browser guessed from a file's name.
  request.setRequestHeader('Content-Type', 'application/octet-stream')
  request.send(file)
  return { images, abort: () => request.abort() }
}

function unreachable(): RequestError {
  return new RequestError(0, 'unreachable', 'there was no answer')
}

/** Reads a failed answer, also one that a proxy in between has made. */
function failure(status: number, body: string, retryAfter: string | null): RequestError {
  const wait = retryAfterMs(retryAfter, Date.now())
  const problem = (parse(body) as Partial<ErrorBody> | null)?.error
  if (problem) return new RequestError(status, problem.code, problem.message, wait)
  return new RequestError(status, 'unknown', `HTTP ${status}`, wait)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
