import { expect, it } from 'vitest'
import { EVERYTHING, mayOf } from './access'

it('each role may what the one before it may, and a viewer nothing but look', () => {
  expect(mayOf('viewer')).toEqual({ upload: false, change: false, remove: false, seeWorkers: false })
  expect(mayOf('uploader')).toEqual({ upload: true, change: true, remove: false, seeWorkers: false })
  expect(mayOf('operator')).toEqual(EVERYTHING)
})

it('before the manager has said anything pictures are taken, and nothing else is offered', () => {
  expect(mayOf(null)).toEqual({ ...mayOf('viewer'), upload: true })
})
