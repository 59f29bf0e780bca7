/** Digests of files, from a few workers that are there only while they are needed. */

import { RequestError } from '../api'
import { FileProblem } from '../rules/fileProblem'
import type { DigestAnswer } from './digest.worker'

/** As many files are read at a time. A second one reads while the first computes; more would take the page's own core. */
export const DIGESTS_AT_A_TIME = 2

/** Workers that nobody has asked for so long are ended, and their memory is free. */
export const IDLE_MS = 5_000

/** The part of `Worker` that is used. */
export interface DigestWorker {
  onmessage: ((message: { data: DigestAnswer }) => void) | null
  onerror: (() => void) | null
  postMessage(file: File): void
  terminate(): void
}

/** The digests, and the workers behind them. */
export interface Digests {
  /**
   * The SHA-256 of a file in hex. Rejects with a `FileProblem` when it cannot be read, and with the `RequestError` that
   * nobody answers when the worker itself could not be fetched. To be asked for `DIGESTS_AT_A_TIME` at most at once.
   */
  of(file: File): Promise<string>
}

/** Has no worker yet. */
export function useDigests(open: () => DigestWorker = openWorker): Digests {
  const idle: DigestWorker[] = []
  let busy = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  function endIdle(): void {
    for (const worker of idle.splice(0)) worker.terminate()
  }

  async function of(file: File): Promise<string> {
    clearTimeout(timer)
    const worker = idle.pop() ?? open()
    busy += 1
    try {
      const answer = await answerOf(worker, file)
      idle.push(worker)
      if ('failure' in answer) throw new FileProblem(answer.failure)
      return answer.digest
    } finally {
      busy -= 1
      if (busy === 0) timer = setTimeout(endIdle, IDLE_MS)
    }
  }

  return { of }
}

async function answerOf(worker: DigestWorker, file: File): Promise<DigestAnswer> {
  try {
    return await new Promise<DigestAnswer>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data)
      // Its script comes from the manager, which may be away.
      worker.onerror = () => reject(new RequestError(0, 'unreachable', 'The manager cannot be reached.'))
      worker.postMessage(file)
    })
  } catch (error) {
    worker.terminate()
    throw error
  }
}

function openWorker(): DigestWorker {
  return new Worker(new URL('./digest.worker.ts', import.meta.url), { type: 'module' }) as unknown as DigestWorker
}
