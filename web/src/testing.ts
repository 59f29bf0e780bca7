/** Images, workers and answers for tests: whole, with only what a test speaks of said by the test. */

import type { Api } from './api'
import type { Counts, Happening, Image, Status, Worker } from './protocol'

/** An image that waits. */
export function anImage(own: Partial<Image> = {}): Image {
  return {
    id: '1',
    name: 'cat.jpg',
    state: 'waiting',
    labels: [],
    worker: null,
    model: null,
    attempts: 0,
    error: null,
    timing_ms: {
      upload: null,
      waiting: null,
      sending: null,
      receive: null,
      worker_queue: null,
      decoding: null,
      inference: null,
      returning: null,
      total: null,
    },
    wire: null,
    bytes: 1000,
    form_bytes: null,
    sha256: null,
    media_type: 'image/jpeg',
    width: 10,
    height: 10,
    seq: 1,
    ...own,
  }
}

/** A worker that is connected and has nothing to do. */
export function aWorker(own: Partial<Worker> = {}): Worker {
  return {
    id: 'worker-1',
    name: 'worker-1',
    state: 'idle',
    slots: 1,
    in_flight: 0,
    images: 0,
    failures: 0,
    images_per_s: 0,
    rtt_ms: null,
    service_ms: null,
    payload_bytes: 0,
    socket_bytes_sent: 0,
    socket_bytes_received: 0,
    wire_bytes_sent: 0,
    retransmissions: 0,
    bytes_retransmitted: 0,
    congestion_control: null,
    transport_rtt_ms: null,
    least_rtt_ms: null,
    sounding: false,
    window_bytes: null,
    delivery_bits_per_s: null,
    address: '127.0.0.1:40001',
    model: 'GoogLeNet',
    ...own,
  }
}

/** Counts that sum up. */
export function someCounts(own: Partial<Omit<Counts, 'total'>> = {}): Counts {
  const counts = { waiting: 0, assigned: 0, recognised: 0, failed: 0, rejected: 0, cancelled: 0, ...own }
  return { ...counts, total: Object.values(counts).reduce((sum, count) => sum + count, 0) }
}

/** A status in which nothing happens. */
export function aStatus(own: Partial<Status> = {}): Status {
  return {
    counts: someCounts(),
    throughput: { images_per_s: 0, file_bits_per_s: 0, elapsed_s: 0 },
    workers: [],
    model: { name: 'GoogLeNet', digest: null, verified: true, notice: null },
    notice: null,
    queue: { waiting: 0, assigned: 0 },
    happenings: [],
    page: 'digest-of-the-page',
    ...own,
  }
}

/** A worker's connection has ended, with nothing of its to move on. */
export function aHappening(own: Partial<Happening> = {}): Happening {
  return { seq: 1, ago_ms: 0, kind: 'lost', worker: 'worker-1', images: 0, detail: null, ...own }
}

/** An interface that has nothing and does what it is asked. */
export function anApi(own: Partial<Api> = {}): Api {
  const done = async (_batch: string, images: readonly string[]) => ({ done: images.length, refused: 0 })
  return {
    session: async () => ({ role: 'operator', needs_token: false, problem: null }),
    logIn: async () => ({ role: 'operator', needs_token: true, problem: null }),
    logOut: async () => {},
    onTurnedAway() {},
    createBatch: async () => 'b1',
    page: async () => ({
      id: 'b1',
      seq: 1,
      counts: someCounts(),
      images: [],
      more: false,
      throughput: { images_per_s: 0, file_bits_per_s: 0, elapsed_s: 0 },
    }),
    known: async () => [],
    upload: () => ({ images: Promise.resolve([anImage()]), abort() {} }),
    retry: async (_batch, id) => anImage({ id }),
    cancel: async (_batch, id) => anImage({ id, state: 'cancelled' }),
    delete: async () => {},
    retryAll: done,
    cancelAll: done,
    deleteAll: done,
    workers: async () => ({ workers: [] }),
    model: async () => ({ name: 'GoogLeNet', digest: null, verified: true, notice: null }),
    pageDigest: async () => null,
    thumbnailUrl: (batch, image) => `/thumbnails/${batch}/${image}`,
    fileUrl: (batch, image) => `/files/${batch}/${image}`,
    exportUrl: (batch, format) => `/exports/${batch}.${format}`,
    eventsUrl: (batch, from) => `ws://manager/${batch}?from=${from}`,
    ...own,
  }
}

/** Lets all promises that can settle do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}
