import { describe, expect, it } from 'vitest'
import { anImage } from '../testing'
import { shared } from './en/shared'
import { shared as zh } from './zh/shared'

describe('an image in words', () => {
  it('names the worker that has it', () => {
    expect(shared.imageState(anImage({ state: 'assigned', worker: 'worker-2' }))).toBe('on worker-2')
  })

  it('says who recognised it and how long the worker took', () => {
    const timing_ms = { ...anImage().timing_ms, decoding: 8.2, inference: 43.9, total: 4000 }
    const image = anImage({ state: 'recognised', worker: 'worker-2', timing_ms })
    expect(shared.imageState(image)).toBe('recognised by worker-2 in 52 ms')
    expect(zh.imageState(image)).toBe('由 worker-2 识别，用时 52 毫秒')
  })

  it('claims no time and no worker that are not known', () => {
    expect(shared.imageState(anImage({ state: 'recognised' }))).toBe('recognised')
    expect(zh.imageState(anImage({ state: 'recognised' }))).toBe('已识别')
  })

  it('tells a second wait from the first', () => {
    expect(shared.imageState(anImage({ state: 'waiting', attempts: 0 }))).toBe('waiting')
    expect(shared.imageState(anImage({ state: 'waiting', attempts: 1 }))).toBe('waiting again')
  })
})

it('a probability is never rounded to certainty or to nothing', () => {
  expect(shared.percent(0.9999)).toBe('> 99.9 %')
  expect(shared.percent(0.999)).toBe('99.9 %')
  expect(shared.percent(0.5)).toBe('50.0 %')
  expect(shared.percent(0.0001)).toBe('< 0.1 %')
  expect(shared.percent(0)).toBe('0.0 %')
  expect(shared.percent(1)).toBe('100 %')
})

it('a class is called by the first of its names', () => {
  expect(shared.label({ index: 14, name: 'indigo bunting, indigo finch', probability: 1 })).toBe('indigo bunting')
})

it('what the manager says is shown as a sentence; what begins with a name keeps its beginning', () => {
  expect(shared.problem({ code: 'x', message: 'there is no such batch' })).toBe('There is no such batch.')
  expect(shared.problem({ code: 'x', message: 'Too large.' })).toBe('Too large.')
  expect(shared.problem({ code: 'x', message: '' })).toBe('')
  expect(shared.asSaid('mine.onnx is no published file')).toBe('mine.onnx is no published file.')
})

it('times and sizes have the unit that fits them', () => {
  expect(shared.milliseconds(0.31)).toBe('0.3 ms')
  expect(shared.milliseconds(52.4)).toBe('52 ms')
  expect(shared.milliseconds(1500)).toBe('1.5 s')
  expect(shared.seconds(125)).toBe('2 min 5 s')
  expect(shared.wholeSeconds(59.6)).toBe('1 min 0 s')
  expect(shared.fileSize(999)).toBe('999 B')
  expect(shared.fileSize(109_000)).toBe('109 kB')
  expect(shared.fileSize(3_450_000)).toBe('3.5 MB')
})

it('one is one, and many are counted with their thousands', () => {
  expect([shared.pictures(1), shared.pictures(10_000)]).toEqual(['1 picture', '10,000 pictures'])
  expect([zh.pictures(1), zh.pictures(10_000)]).toEqual(['1 张图片', '10,000 张图片'])
})
