import { expect, it } from 'vitest'
import { memoryOf } from './memory'

it('what is kept is recalled, under a name that says whose it is, until it is forgotten', () => {
  memoryOf('theme').keep('dark')
  expect(memoryOf('theme').recall()).toBe('dark')
  expect(localStorage.getItem('manyeyes-theme')).toBe('dark')
  memoryOf('theme').keep(null)
  expect(memoryOf('theme').recall()).toBeNull()
})

it('a browser that forbids storage recalls nothing and complains of nothing', () => {
  const memory = memoryOf('theme', () => {
    throw new DOMException('denied', 'SecurityError')
  })
  memory.keep('dark')
  expect(memory.recall()).toBeNull()
})
