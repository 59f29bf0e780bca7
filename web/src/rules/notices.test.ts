import { expect, it } from 'vitest'
import type { Model } from '../protocol'
import { LANGUAGES, wordsIn } from '../words/words'
import { noticesOf, partsOf, type Situation } from './notices'

const calm: Situation = { isAway: false, unsent: 0, isOutdated: false, stuck: null, model: null }
const noWorker = { code: 'no_worker', message: 'no worker is connected' }

function aModel(own: Partial<Model> = {}): Model {
  return { name: 'GoogLeNet', digest: null, verified: true, notice: null, ...own }
}

for (const { name, words } of LANGUAGES) {
  const told = (situation: Partial<Situation>) => noticesOf({ ...calm, ...situation }, words)

  it(`${name}: nothing is said when nothing stands in the way`, () => {
    expect(told({ model: aModel(), unsent: 3 })).toEqual([])
  })

  it(`${name}: while the manager is away, its last word on workers is not repeated`, () => {
    expect(told({ isAway: true, stuck: noWorker }).map(({ key }) => key)).toEqual(['unreachable'])
  })

  it(`${name}: the worst comes first, each with what can be done about it`, () => {
    const all = told({ isAway: true, isOutdated: true, model: aModel({ name: 'builtin' }) })
    expect(all.map(({ key, remedy }) => [key, remedy])).toEqual([
      ['unreachable', 'try-now'],
      ['outdated', 'reload'],
      ['model', null],
    ])
  })

  it(`${name}: who still has files to send is told so before leaving or reloading`, () => {
    for (const situation of [{ isAway: true }, { isOutdated: true }]) {
      const [without, withOne, withMany] = [0, 1, 1200].map((unsent) => told({ ...situation, unsent })[0]?.words)
      expect(new Set([without, withOne, withMany]).size).toBe(3)
      expect(withMany).toContain('1,200')
    }
  })

  it(`${name}: who has no worker is told how to start one`, () => {
    const [said] = told({ stuck: noWorker })
    expect(said?.more?.words).toContain('`manyeyes worker --manager ')
  })

  it(`${name}: of the built-in model it is said at once why it serves, and on asking how to get another`, () => {
    const notice = 'The built-in model serves. Why: googlenet is not on this machine; no network: host not found. To get GoogLeNet: run'
    const [said] = told({ model: aModel({ name: 'builtin', notice }) })
    expect(said?.words).toMatch(/GoogLeNet.*(not on this machine.*downloaded|没有.*下载)|没有 GoogLeNet.*下载/)
    expect(said?.more?.words).toContain('`manyeyes model pull googlenet`')
    expect(said?.more?.quoted).toBe('no network: host not found')
    expect(told({ model: aModel({ name: 'builtin', notice: 'so it is' }) })[0]?.more?.quoted).toBe('so it is')
  })

  it(`${name}: what is unverified is no notice: it is said beside the name of the model`, () => {
    expect(told({ model: aModel({ verified: false, notice: 'mine.onnx is not a published file' }) })).toEqual([])
  })
}

it('what the manager says of itself is shown, as a sentence', () => {
  const notices = noticesOf({ ...calm, stuck: { code: 'model_mismatch', message: 'the model differs' } }, wordsIn('en'))
  expect(notices.map((notice) => notice.words)).toEqual(['The model differs.'])
})

it('what is to be typed stands apart', () => {
  expect(partsOf('Run `manyeyes up`, then wait.')).toEqual([
    { text: 'Run ', isCode: false },
    { text: 'manyeyes up', isCode: true },
    { text: ', then wait.', isCode: false },
  ])
  expect(partsOf('plain')).toEqual([{ text: 'plain', isCode: false }])
})
