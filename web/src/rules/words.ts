/** Everything that is known, in words for a person. No state, no clock. */

import type { Counts, Image, Label, Throughput, Worker, WorkerState } from '../protocol'

/** How a thing stands, which decides its colour. */
export type Tone = 'quiet' | 'active' | 'good' | 'bad'

/** The state of an image, in words. */
export function imageWords(image: Image): string {
  switch (image.state) {
    case 'waiting':
      return image.attempts > 0 ? 'waiting again' : 'waiting'
    case 'assigned':
      return `on ${image.worker ?? 'a worker'}`
    case 'recognised':
      return recognisedWords(image)
    case 'failed':
      return 'failed'
    case 'rejected':
      return 'not accepted'
    case 'cancelled':
      return 'cancelled'
  }
}

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

function recognisedWords(image: Image): string {
  const by = image.worker ? ` by ${image.worker}` : ''
  // The worker's own time. All of the rest is waiting, which says nothing of this picture.
  const { decoding, inference } = image.timing_ms
  const took = decoding === null && inference === null ? '' : ` in ${milliseconds((decoding ?? 0) + (inference ?? 0))}`
  return `recognised${by}${took}`
}

/** The name that people use for a class: ImageNet's names list their synonyms after commas. */
export function shortLabel(label: Label): string {
  return label.name.split(',')[0]?.trim() || label.name
}

/** A probability as a percentage. What is not quite certain is never shown as 100 %. */
export function percent(probability: number): string {
  const value = probability * 100
  if (value > 99.9 && value < 100) return '> 99.9 %'
  if (value > 0 && value < 0.1) return '< 0.1 %'
  return `${value === 100 ? 100 : value.toFixed(1)} %`
}

/** A time span, from milliseconds. */
export function milliseconds(span: number): string {
  if (span < 10) return `${span.toFixed(1)} ms`
  if (span < 1000) return `${Math.round(span)} ms`
  return seconds(span / 1000)
}

/** A time span, from seconds. */
export function seconds(span: number): string {
  if (span < 60) return `${span.toFixed(1)} s`
  const whole = Math.round(span)
  return `${Math.floor(whole / 60)} min ${whole % 60} s`
}

/** A file's size. */
export function fileSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** A rate of images. */
export function imageRate(perSecond: number): string {
  return `${perSecond.toFixed(perSecond >= 100 ? 0 : 1)} images/s`
}

/** What the manager says of a problem, as a sentence: its own messages are fragments that begin small. */
export function sentence(message: string): string {
  const text = ended(message)
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** As `sentence`, for what begins with a name: that stays as it is. */
export function ended(message: string): string {
  const text = message.trim()
  return /[.!?…]$/.test(text) || text === '' ? text : `${text}.`
}

/** A number with its noun. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

/** Images of a batch that nothing more happens to. */
export function settledCount(counts: Counts): number {
  return counts.recognised + counts.failed + counts.rejected + counts.cancelled
}

/** How far a batch is. `pending` files have not reached the manager yet. */
export function progressWords(counts: Counts, pending: number): string {
  const total = counts.total + pending
  const settled = settledCount(counts)
  if (settled < total) return `${settled.toLocaleString('en')} of ${counted(total, 'picture')} done`
  if (counts.recognised === total) return total === 1 ? 'The picture is recognised' : `All ${counted(total, 'picture')} recognised`
  return `${counts.recognised.toLocaleString('en')} of ${counted(total, 'picture')} recognised`
}

/** What a page without pictures says of the manager. */
export function readyWords(workers: readonly Worker[]): string {
  const present = workers.filter(isPresent).length
  return present === 0 ? 'No worker is connected yet. Pictures wait until one is.' : `${counted(present, 'worker')} ready`
}

/** The counts of a batch that are worth a word: those above none, in the order of an image's life. */
export function countWords(counts: Counts): { words: string; tone: Tone }[] {
  const all: { count: number; words: string; tone: Tone }[] = [
    { count: counts.waiting, words: 'waiting', tone: 'quiet' },
    { count: counts.assigned, words: 'with workers', tone: 'active' },
    { count: counts.recognised, words: 'recognised', tone: 'good' },
    { count: counts.failed, words: 'failed', tone: 'bad' },
    { count: counts.rejected, words: 'not accepted', tone: 'bad' },
    { count: counts.cancelled, words: 'cancelled', tone: 'quiet' },
  ]
  return all
    .filter(({ count }) => count > 0)
    .map(({ count, words, tone }) => ({ words: `${count.toLocaleString('en')} ${words}`, tone }))
}

/** What a batch has achieved. Nothing until the first answer. */
export function throughputWords(throughput: Throughput): string[] {
  if (throughput.images_per_s <= 0) return []
  return [
    imageRate(throughput.images_per_s),
    `${(throughput.file_bits_per_s / 1e6).toFixed(1)} Mbit/s of image files`,
    seconds(throughput.elapsed_s),
  ]
}

/** The state of a worker, in words. */
export function workerWords(state: WorkerState): string {
  const words: Record<WorkerState, string> = {
    idle: 'idle',
    busy: 'busy',
    draining: 'finishing',
    silent: 'not answering',
    gone: 'gone',
  }
  return words[state]
}

/** How a worker stands. */
export function workerTone(state: WorkerState): Tone {
  const tones: Record<WorkerState, Tone> = { idle: 'good', busy: 'active', draining: 'quiet', silent: 'bad', gone: 'bad' }
  return tones[state]
}

/** Whether the manager can reach the worker. */
export function isPresent(worker: Worker): boolean {
  return worker.state !== 'silent' && worker.state !== 'gone'
}

/** A file on its way, in words. `state` and `share` (0..1) are those of `PendingFile`. */
export function uploadWords(state: 'queued' | 'sending' | 'paused' | 'failed', share: number): string {
  switch (state) {
    case 'queued':
      return 'waiting to upload'
    case 'sending':
      // All bytes are sent long before the manager has made them safe.
      return share < 1 ? `uploading ${Math.floor(share * 100)} %` : 'being stored'
    case 'paused':
      return 'upload interrupted, tried again soon'
    case 'failed':
      return 'not uploaded'
  }
}
