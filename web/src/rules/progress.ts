/** How far a batch is. */

import type { Counts, ImageState } from '../protocol'
import { settledCount, type Tone } from './state'

/** How far a batch is, files on their way included. */
export interface Progress {
  readonly settled: number
  readonly total: number
  readonly recognised: number
  /** Nothing more happens by itself. */
  readonly isDone: boolean
}

/**
 * `pending` files have not reached the manager yet. `known` images are on the page: the answer to an upload is there
 * before the counts that include it, and a batch whose last image is not counted yet is not done.
 */
export function progressOf(counts: Counts, pending: number, known: number): Progress {
  const settled = settledCount(counts)
  const total = Math.max(counts.total, known) + pending
  return { settled, total, recognised: counts.recognised, isDone: total > 0 && settled === total }
}

/** A count that is worth a word. */
export interface Tally {
  readonly state: ImageState | 'uploading'
  readonly count: number
  readonly tone: Tone
}

/** The counts above none, in the order of an image's life. */
export function talliesOf(counts: Counts, pending: number): Tally[] {
  const all: Tally[] = [
    { state: 'uploading', count: pending, tone: 'quiet' },
    { state: 'waiting', count: counts.waiting, tone: 'quiet' },
    { state: 'assigned', count: counts.assigned, tone: 'active' },
    { state: 'recognised', count: counts.recognised, tone: 'good' },
    { state: 'failed', count: counts.failed, tone: 'bad' },
    { state: 'rejected', count: counts.rejected, tone: 'bad' },
    { state: 'cancelled', count: counts.cancelled, tone: 'quiet' },
  ]
  return all.filter(({ count }) => count > 0)
}
