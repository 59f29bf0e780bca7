import { expect, it } from 'vitest'
import { noticesOf, type Situation } from './notices'

const calm: Situation = { unreachable: false, pending: 0, stuck: null, model: null, news: [], leftOut: 0, unreadable: 0 }

it('nothing is said when nothing stands in the way', () => {
  expect(noticesOf(calm)).toEqual([])
})

it('while the manager is away, its last word on workers is not repeated', () => {
  const notices = noticesOf({ ...calm, unreachable: true, stuck: 'No worker is connected.' })
  expect(notices.map(({ key }) => key)).toEqual(['unreachable'])
})

it('who still has files to send is asked to keep the page open', () => {
  expect(noticesOf({ ...calm, unreachable: true, pending: 1 })[0]?.words).toContain('Keep it open')
  expect(noticesOf({ ...calm, unreachable: true, pending: 0 })[0]?.words).not.toContain('Keep it open')
})

it('what the manager says of itself and of its model is shown', () => {
  const model = { name: 'small', digest: null, verified: true, notice: 'The small model answers.' }
  const notices = noticesOf({ ...calm, stuck: 'no worker is connected', model })
  expect(notices.map(({ words }) => words)).toEqual(['No worker is connected.', 'The small model answers.'])
})

it('the name of a worker or of a file is written as it is', () => {
  const model = { name: 'mine', digest: null, verified: false, notice: 'mine.onnx is not a published file' }
  const notices = noticesOf({ ...calm, model, news: ['worker-2 was lost.'] })
  expect(notices.map(({ words }) => words)).toEqual(['mine.onnx is not a published file.', 'worker-2 was lost.'])
})

it('what could not be read or is no picture is told in numbers', () => {
  const notices = noticesOf({ ...calm, leftOut: 1, unreadable: 1200 })
  expect(notices.map(({ words }) => words.match(/[\d,]+ (other )?files?/)?.[0])).toEqual(['1,200 files', '1 other file'])
})
