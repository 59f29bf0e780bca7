import { describe, expect, it } from 'vitest'
import type { Image, Label } from '../protocol'
import { anImage } from '../testing'
import { arrange, EVERYTHING, fold, labelKey, naturalKey, readSettings, writeSettings, type ViewSettings } from './view'

const tabby: Label = { index: 281, name: 'tabby, tabby cat', probability: 0.9 }
const beagle: Label = { index: 162, name: 'beagle', probability: 0.4 }

const BATCH: Image[] = [
  anImage({ id: '1', name: 'img10.jpg', state: 'recognised', labels: [tabby], bytes: 10 }),
  anImage({ id: '2', name: 'img2.jpg', state: 'recognised', labels: [beagle], bytes: 30 }),
  anImage({ id: '3', name: 'Ägypten.png', state: 'waiting', bytes: 20 }),
  anImage({ id: '4', name: '北京 猫.jpg', state: 'recognised', labels: [{ ...tabby, probability: 0.6 }], bytes: 5 }),
  anImage({ id: '5', name: 'notes.txt', state: 'rejected', bytes: 1 }),
]

function view(own: Partial<ViewSettings> = {}, images = BATCH, files: { key: string; file: { name: string } }[] = []) {
  return arrange(images, files, { ...EVERYTHING, ...own })
}

describe('without being asked, a view', () => {
  it('shows everything in upload order, and counts each state', () => {
    const { order, counts, groups } = view()
    expect(order).toEqual(['1', '2', '3', '4', '5'])
    expect(groups).toBeNull()
    expect(counts).toMatchObject({ all: 5, waiting: 1, recognised: 3, unsure: 0, rejected: 1, failed: 0 })
  })
})

describe('filtering', () => {
  it('by state shows those of that state only, and still says how many others there are', () => {
    const { order, counts } = view({ state: 'recognised' })
    expect(order).toEqual(['1', '2', '4'])
    expect(counts.waiting).toBe(1)
  })

  it('by label shows its images, and offers the other labels with their counts, the most frequent first', () => {
    const { order, labels, counts } = view({ label: labelKey(tabby) })
    expect(order).toEqual(['1', '4'])
    expect(labels.map(({ label, count }) => [label.name, count])).toEqual([['tabby, tabby cat', 2], ['beagle', 1]])
    expect(counts.all).toBe(2)
  })

  it('tells two classes of one name apart', () => {
    const bird = anImage({ id: '1', state: 'recognised', labels: [{ index: 134, name: 'crane', probability: 1 }] })
    const machine = anImage({ id: '2', state: 'recognised', labels: [{ index: 517, name: 'crane', probability: 1 }] })
    expect(view({ label: '517 crane' }, [bird, machine]).order).toEqual(['2'])
  })

  it('counts below the threshold as not sure, and nothing at a threshold of none', () => {
    const strict = view({ threshold: 0.5, state: 'unsure' })
    expect(strict.order).toEqual(['2'])
    expect(strict.counts).toMatchObject({ recognised: 2, unsure: 1 })
    expect(view({ threshold: 0.5 }).labels.map(({ label }) => label.index)).toEqual([281])
    expect(view({ threshold: 0.4 }).counts.unsure).toBe(0)
  })
})

describe('searching', () => {
  const found = (search: string) => view({ search }).order

  it('finds names and labels, whatever their case and accents', () => {
    expect(found('IMG')).toEqual(['1', '2'])
    expect(found('agypten')).toEqual(['3'])
    expect(found('TABBY cat')).toEqual(['1', '4'])
  })

  it('finds Chinese, and full-width letters by narrow ones', () => {
    expect(found('猫')).toEqual(['4'])
    expect(found('ｉｍｇ２')).toEqual(['2'])
  })

  it('wants every word of several, in any order', () => {
    expect(found('cat img10')).toEqual(['1'])
    expect(found('cat beagle')).toEqual([])
  })

  it('for blanks is no search', () => {
    expect(found('   ')).toHaveLength(5)
  })

  it('counts states and labels of what it has found', () => {
    const { counts, labels } = view({ search: 'img' })
    expect(counts).toMatchObject({ all: 2, recognised: 2, waiting: 0 })
    expect(labels).toHaveLength(2)
  })
})

describe('sorting', () => {
  it('by name counts as a person does', () => {
    expect(view({ sort: 'name' }).order).toEqual(['3', '2', '1', '5', '4'])
    expect(['a10', 'a9', 'a', 'a010b', 'A1'].sort((a, b) => (naturalKey(a) < naturalKey(b) ? -1 : 1))).toEqual(['a', 'A1', 'a9', 'a10', 'a010b'])
  })

  it('puts images last that have no answer to sort by', () => {
    expect(view({ sort: 'surest' }).order).toEqual(['1', '4', '2', '3', '5'])
    expect(view({ sort: 'least_sure' }).order).toEqual(['2', '4', '1', '3', '5'])
    expect(view({ sort: 'label' }).order).toEqual(['2', '1', '4', '3', '5'])
  })

  it('by time looks at what the worker took, by size at the file', () => {
    const timed = (id: string, inference: number | null) =>
      anImage({ id, timing_ms: { ...anImage().timing_ms, decoding: inference === null ? null : 1, inference } })
    expect(view({ sort: 'slowest' }, [timed('1', 5), timed('2', null), timed('3', 50)]).order).toEqual(['3', '1', '2'])
    expect(view({ sort: 'largest' }).order).toEqual(['2', '3', '1', '4', '5'])
  })

  it('the newest first turns the upload order round', () => {
    expect(view({ sort: 'newest' }).order).toEqual(['5', '4', '3', '2', '1'])
  })

  it('leaves the batch itself as it was', () => {
    const before = [...BATCH]
    view({ sort: 'newest' })
    view({ sort: 'name' })
    expect(BATCH).toEqual(before)
  })
})

describe('grouping', () => {
  it('puts images of one label together: the largest group first, those without a sure label last', () => {
    const { groups, order } = view({ grouped: true, threshold: 0.5 })
    expect(groups?.map(({ key, images }) => [key, images])).toEqual([
      [labelKey(tabby), ['1', '4']],
      ['unlabelled', ['3', '5']],
      ['unsure', ['2']],
    ])
    expect(order).toEqual(['1', '4', '3', '5', '2'])
  })

  it('keeps the order asked for within a group', () => {
    expect(view({ grouped: true, sort: 'newest' }).groups?.[0]?.images).toEqual(['4', '1'])
  })
})

describe('files on their way', () => {
  const files = [
    { key: 'a', file: { name: 'One.jpg' } },
    { key: 'b', file: { name: 'two.jpg' } },
  ]

  it('follow the images, or come before them when the newest do, so that each becomes an image in its place', () => {
    expect(view({}, BATCH, files)).toMatchObject({ files: ['a', 'b'], filesFirst: false })
    expect(view({ sort: 'newest' }, BATCH, files)).toMatchObject({ files: ['b', 'a'], filesFirst: true })
  })

  it('are searched by name, and hidden where only images can be meant', () => {
    expect(view({ search: 'one' }, BATCH, files).files).toEqual(['a'])
    expect(view({ state: 'recognised' }, BATCH, files)).toMatchObject({ files: [], counts: { uploading: 2 } })
    expect(view({ label: labelKey(tabby) }, BATCH, files).files).toEqual([])
    expect(view({ state: 'uploading' }, BATCH, files)).toMatchObject({ order: [], files: ['a', 'b'] })
  })
})

it('ten thousand images are filtered, searched, sorted and grouped, and none is lost or shown twice', () => {
  const states = ['waiting', 'recognised', 'recognised', 'failed'] as const
  const images = Array.from({ length: 10_000 }, (_, at) => {
    const state = states[at % 4] as Image['state']
    const labels = state === 'recognised' ? [{ index: at % 100, name: `class ${at % 100}`, probability: (at % 97) / 96 }] : []
    return anImage({ id: String(at + 1), name: `photo ${(at * 7919) % 10_000}.jpg`, state, labels })
  })
  const { groups, order, counts } = view({ grouped: true, sort: 'name', threshold: 0.5 }, images)
  expect(new Set(order).size).toBe(10_000)
  expect(counts.all).toBe(10_000)
  expect(counts.recognised + counts.unsure).toBe(5_000)
  expect(groups?.reduce((sum, { images: own }) => sum + own.length, 0)).toBe(10_000)
  const names = view({ sort: 'name' }, images).order.map((id) => images[Number(id) - 1]?.name)
  expect(names.slice(0, 3)).toEqual(['photo 0.jpg', 'photo 1.jpg', 'photo 2.jpg'])
  expect(names.at(-1)).toBe('photo 9999.jpg')
  expect(view({ search: 'photo 1234' }, images).order).toHaveLength(1)
})

describe('settings', () => {
  it('are read as they were written', () => {
    const asked: ViewSettings = { state: 'failed', label: '1 cat', search: 'ü', sort: 'name', threshold: 0.35, grouped: true }
    expect(readSettings(writeSettings(asked))).toEqual(asked)
  })

  it.each(['', 'null', '7', '{"state":"moon","threshold":9,"sort":3,"search":null}', '{'])('are as never asked for in %j', (text) => {
    expect(readSettings(text)).toEqual(EVERYTHING)
  })
})

it('folding keeps letters that are no accents', () => {
  expect(fold('Crème Brûlée ÉCLAIR')).toBe('creme brulee eclair')
  expect(fold('مُحَمَّد')).toBe('محمد')
  expect(fold('北京')).toBe('北京')
})
