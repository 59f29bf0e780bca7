/** Computes digests beside the page, which goes on moving meanwhile. Runs as a worker: see `useDigests`. */

import { digestOf } from '../rules/digest'

/** What the page asks: one file at a time. */
export type DigestQuestion = File

/** What it is told: the digest, or the name of the error with which the file could not be read. */
export type DigestAnswer = { readonly digest: string } | { readonly failure: string }

addEventListener('message', ({ data: file }: MessageEvent<DigestQuestion>) => {
  const answer = (content: DigestAnswer) => postMessage(content)
  digestOf(file).then(
    (digest) => answer({ digest }),
    (error: unknown) => answer({ failure: error instanceof Error ? error.name : String(error) }),
  )
})
