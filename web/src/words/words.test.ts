import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { PARTS } from '../rules/timeline'
import { SORTS, STATE_CHOICES } from '../rules/view'
import { aHappening, anImage } from '../testing'
import { bestLanguage, LANGUAGES, wordsIn } from './words'

/** What a sentence is made with where it takes no numbers: by its path, once for each case. */
const WITH: Record<string, unknown[][]> = {
  'shared.label': [[{ index: 1, name: 'tabby, tabby cat', probability: 0.5 }]],
  'shared.imageState': [
    ...(['waiting', 'assigned', 'failed', 'rejected', 'cancelled'] as const).map((state) => [anImage({ state })]),
    [anImage({ state: 'recognised', worker: 'ada', timing_ms: { ...anImage().timing_ms, inference: 20 } })],
    [anImage({ attempts: 1 })],
  ],
  'shared.workerState': [['idle'], ['busy'], ['draining'], ['setaside'], ['silent'], ['gone']],
  'shared.problem': [[{ code: 'empty', message: 'the file is empty' }]],
  'shared.asSaid': [['mine.onnx is no published file']],
  'shell.title': [[null], [{ settled: 1, total: 250 }]],
  'shell.samples.one': [['daisy']],
  'shell.notices.stuck': ['no_worker', 'model_mismatch'].map((code) => [{ code, message: 'so it is' }]),
  'shell.notices.builtin': [null, 'chosen', 'absent', 'damaged'].flatMap((why) =>
    [null, 'no_network', 'no_source', 'failed'].map((download) => [why && { why, download, detail: null }]),
  ),
  'shell.notices.get': [[true], [false]],
  'shell.ended': ['gone', 'no_such_batch', 'foreign_host'].map((code) => [{ code, message: 'so it is' }]),
  'uploads.state': ['checking', 'queued', 'sending', 'waiting', 'failed'].map((state) => [state, 0.5]),
  'uploads.problem': [[{ code: 'empty', message: 'the file is empty' }]],
  'gallery.state': STATE_CHOICES.map((state) => [state]),
  'gallery.sort': SORTS.map((sort) => [sort]),
  'gallery.outcome': [[{ deed: 'retry', done: 2, refused: 1 }], [{ deed: 'delete', done: 1, refused: 0 }]],
  'panel.progress.headline': [
    [{ settled: 1, total: 3, recognised: 1, isDone: false }],
    [{ settled: 3, total: 3, recognised: 3, isDone: true }],
  ],
  'panel.progress.tally': (['uploading', 'waiting', 'rejected'] as const).map((state) => [state, 3]),
  'panel.progress.achieved': [[{ images_per_s: 20, file_bits_per_s: 1e6, elapsed_s: 12 }]],
  'panel.throughput.said': [[{ now: 1, highest: 2, mean: 1.5 }], [{ now: null, highest: 2, mean: 1 }], [{ now: 0, highest: 0, mean: 0 }]],
  'panel.happenings.ago': (['now', 'seconds', 'minutes'] as const).map((unit) => [{ unit, count: 3 }]),
  'picture.lightbox.turned': [[3, 5, 'cat.jpg']],
  'picture.lightbox.timeline.partName': [...PARTS, 'rest'].map((part) => [part]),
  'picture.lightbox.timeline.explained': [...PARTS, 'rest'].map((part) => [part]),
  'picture.lightbox.typeOf': [[anImage()]],
  'panel.happenings.happened': (['joined', 'left', 'lost', 'silent', 'back', 'refused', 'setaside', 'restored'] as const).map((kind) => [
    aHappening({ kind, images: 4, detail: 'another model' }),
  ]),
}
const NUMBERS = [[0, 0], [1, 1], [3, 5], [1200, 5000]]

/** Names and units that are written alike in every language. */
const ALIKE = /\b(manyeyes|zh|B|kB|MB|Mbit\/s|s|JPEG|CSV|JSON|RTT)\b/g

/** What the manager or the model says, in words of their own. */
const QUOTED = ['shared.label', 'shared.asSaid']

/** All that a language says: each text, and each sentence that is made, with its path. */
function* said(words: object, path = ''): Generator<readonly [path: string, text: string]> {
  for (const [key, value] of Object.entries(words)) {
    const here = path === '' ? key : `${path}.${key}`
    if (typeof value === 'function') {
      const make = value as (...given: unknown[]) => unknown
      for (const given of WITH[here] ?? NUMBERS) yield* textsOf(here, make(...given))
    } else if (typeof value === 'object' && value !== null) yield* said(value as object, here)
    else if (value !== null) yield [here, String(value)]
  }
}

function* textsOf(path: string, made: unknown): Generator<readonly [string, string]> {
  if (typeof made === 'object' && made !== null) for (const text of Object.values(made)) yield* textsOf(path, text)
  else if (made !== null) yield [path, String(made)]
}

function pathsOf(words: object): string[] {
  return Object.entries(words)
    .flatMap(([key, value]) => (typeof value === 'object' && value !== null ? pathsOf(value as object).map((path) => `${key}.${path}`) : key))
    .toSorted()
}

describe.each(LANGUAGES)('$name', ({ words }) => {
  it('has the same rooms with the same sentences as English', () => {
    expect(pathsOf(words)).toEqual(pathsOf(wordsIn('en')))
  })

  it('makes every sentence whole', () => {
    const broken = [...said(words)].filter(([, text]) => /undefined|NaN|null|\[object/.test(text))
    expect(broken).toEqual([])
  })
})

it('no sentence is left in English in Chinese', () => {
  const english = [...said(wordsIn('zh'))].filter(([path, text]) => {
    const isChinese = /\p{Script=Han}/u.test(text)
    return !isChinese && !QUOTED.includes(path) && /\p{Letter}/u.test(text.replace(ALIKE, ''))
  })
  expect(english).toEqual([])
})

it('each error that the interface documents is said in Chinese', async () => {
  const [, errors = ''] = (await readFile('../docs/api.md', 'utf8')).split('## Errors of requests')
  const codes = errors
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .flatMap((line) => [...(line.split(' | ').find((cell) => cell.includes('`')) ?? '').matchAll(/`([a-z_]+)`/g)])
    .map(([, code]) => code ?? '')
  expect(codes.length).toBeGreaterThan(25)
  const unsaid = codes.filter((code) => !/\p{Script=Han}/u.test(wordsIn('zh').shared.problem({ code, message: 'english' })))
  expect(unsaid).toEqual([])
})

it('the first wanted language that is spoken here is spoken, whatever its region and script', () => {
  expect(bestLanguage(['fr', 'zh-Hant-TW', 'en'])).toBe('zh')
  expect(bestLanguage(['EN-gb', 'zh'])).toBe('en')
  expect(bestLanguage(['fr'])).toBe('en')
  expect(bestLanguage([])).toBe('en')
})
