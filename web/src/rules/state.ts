/** How images and workers stand. No words, no clock. */

import type { Counts, Image, Worker, WorkerState } from '../protocol'

/** How a thing stands, which decides its colour. */
export type Tone = 'quiet' | 'active' | 'good' | 'bad'

/** How an image stands. */
export function imageTone(image: Image): Tone {
  switch (image.state) {
    case 'waiting':
    case 'cancelled':
      return 'quiet'
    case 'assigned':
      return 'active'
    case 'recognised':
      return 'good'
    case 'failed':
    case 'rejected':
      return 'bad'
  }
}

/** Whether nothing more happens to the image by itself. */
export function isSettled(image: Image): boolean {
  return image.state !== 'waiting' && image.state !== 'assigned'
}

/** Images of a batch that nothing more happens to. */
export function settledCount(counts: Counts): number {
  return counts.recognised + counts.failed + counts.rejected + counts.cancelled
}

/** How a worker stands. */
export function workerTone(state: WorkerState): Tone {
  const tones: Record<WorkerState, Tone> = {
    idle: 'good',
    busy: 'active',
    draining: 'quiet',
    setaside: 'bad',
    silent: 'bad',
    gone: 'bad',
  }
  return tones[state]
}

/** Whether the manager can reach the worker. */
export function isPresent(worker: Worker): boolean {
  return worker.state !== 'silent' && worker.state !== 'gone'
}
