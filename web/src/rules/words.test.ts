import { describe, expect, it } from 'vitest'
import { anImage, aWorker, someCounts } from '../testing'
import {
  countWords,
  fileSize,
  imageWords,
  milliseconds,
  percent,
  progressWords,
  readyWords,
  seconds,
  sentence,
  shortLabel,
  throughputWords,
  uploadWords,
} from './words'

describe('an image in words', () => {
  it('names the worker that has it', () => {
    expect(imageWords(anImage({ state: 'assigned', worker: 'worker-2' }))).toBe('on worker-2')
  })

  it('says who recognised it and how long the worker took', () => {
    const timing_ms = { ...anImage().timing_ms, decoding: 8.2, inference: 43.9, total: 4000 }
    expect(imageWords(anImage({ state: 'recognised', worker: 'worker-2', timing_ms }))).toBe(
      'recognised by worker-2 in 52 ms',
    )
  })

  it('claims no time and no worker that are not known', () => {
    expect(imageWords(anImage({ state: 'recognised' }))).toBe('recognised')
  })

  it('tells a second wait from the first', () => {
    expect(imageWords(anImage({ state: 'waiting', attempts: 0 }))).toBe('waiting')
    expect(imageWords(anImage({ state: 'waiting', attempts: 1 }))).toBe('waiting again')
  })
})

it('an upload says how far it is, and that sent is not yet stored', () => {
  expect(uploadWords('sending', 0.409)).toBe('uploading 40 %')
  expect(uploadWords('sending', 1)).toBe('being stored')
  expect(uploadWords('queued', 0)).toBe('waiting to upload')
})

it('a probability is never rounded to certainty or to nothing', () => {
  expect(percent(0.9999)).toBe('> 99.9 %')
  expect(percent(0.999)).toBe('99.9 %')
  expect(percent(0.5)).toBe('50.0 %')
  expect(percent(0.0001)).toBe('< 0.1 %')
  expect(percent(0)).toBe('0.0 %')
  expect(percent(1)).toBe('100 %')
})

it('a class is called by the first of its names', () => {
  expect(shortLabel({ index: 14, name: 'indigo bunting, indigo finch', probability: 1 })).toBe('indigo bunting')
})

it('what the manager says is shown as a sentence', () => {
  expect(sentence('there is no such batch')).toBe('There is no such batch.')
  expect(sentence('Too large.')).toBe('Too large.')
  expect(sentence('')).toBe('')
})

it('times and sizes have the unit that fits them', () => {
  expect(milliseconds(0.31)).toBe('0.3 ms')
  expect(milliseconds(52.4)).toBe('52 ms')
  expect(milliseconds(1500)).toBe('1.5 s')
  expect(seconds(125)).toBe('2 min 5 s')
  expect(fileSize(999)).toBe('999 B')
  expect(fileSize(109_000)).toBe('109 kB')
  expect(fileSize(3_450_000)).toBe('3.5 MB')
})

describe('a batch in words', () => {
  it('counts files that are not there yet as not done', () => {
    expect(progressWords(someCounts({ recognised: 3 }), 2)).toBe('3 of 5 pictures done')
  })

  it('does not claim success for pictures that failed', () => {
    expect(progressWords(someCounts({ recognised: 5 }), 0)).toBe('All 5 pictures recognised')
    expect(progressWords(someCounts({ recognised: 4, rejected: 1 }), 0)).toBe('4 of 5 pictures recognised')
  })

  it('leaves out states that no image is in', () => {
    expect(countWords(someCounts({ recognised: 4, failed: 1 })).map(({ words }) => words)).toEqual([
      '4 recognised',
      '1 failed',
    ])
  })

  it('has no throughput before the first answer', () => {
    expect(throughputWords({ images_per_s: 0, file_bits_per_s: 0, elapsed_s: 3 })).toEqual([])
    expect(throughputWords({ images_per_s: 29.81, file_bits_per_s: 29.42e6, elapsed_s: 1.5 })).toEqual([
      '29.8 images/s',
      '29.4 Mbit/s of image files',
      '1.5 s',
    ])
  })
})

it('workers that are gone are not ready', () => {
  expect(readyWords([aWorker(), aWorker({ id: 'worker-2', state: 'gone' })])).toBe('1 worker ready')
  expect(readyWords([])).toContain('No worker is connected')
})
