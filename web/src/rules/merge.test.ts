import { describe, expect, it } from 'vitest'
import { anImage } from '../testing'
import { compareIds, keepOnly, strikeOut, takeIn, type Book } from './merge'

function emptyBook(): Book {
  return { images: new Map(), order: [], deleted: new Set() }
}

describe('taking in images', () => {
  it('keeps the newer of two copies, whichever comes first', () => {
    const older = anImage({ seq: 4, state: 'waiting' })
    const newer = anImage({ seq: 5, state: 'recognised' })
    for (const arrival of [[older, newer], [newer, older]]) {
      const book = emptyBook()
      for (const image of arrival) takeIn(book, image)
      expect(book.images.get('1')?.state).toBe('recognised')
      expect(book.order).toEqual(['1'])
    }
  })

  it('says that the list has changed only when an image is new', () => {
    const book = emptyBook()
    expect(takeIn(book, anImage({ seq: 1 }))).toBe(true)
    expect(takeIn(book, anImage({ seq: 2 }))).toBe(false)
    expect(takeIn(book, anImage({ seq: 2 }))).toBe(false)
  })

  it('keeps upload order, whatever the order of arrival', () => {
    const book = emptyBook()
    for (const id of ['10', '2', '1', '9', '100']) takeIn(book, anImage({ id }))
    expect(book.order).toEqual(['1', '2', '9', '10', '100'])
  })

  it('never brings a deleted image back', () => {
    const book = emptyBook()
    takeIn(book, anImage({ seq: 1 }))
    strikeOut(book, '1')
    expect(takeIn(book, anImage({ seq: 9 }))).toBe(false)
    expect(book.images.size).toBe(0)
    expect(book.order).toEqual([])
  })

  it('forgets that an image was there when it hears of the deletion first', () => {
    const book = emptyBook()
    expect(strikeOut(book, '1')).toBe(false)
    takeIn(book, anImage())
    expect(book.order).toEqual([])
  })
})

describe('having read the whole batch', () => {
  it('drops what is gone and keeps what is newer than the reading', () => {
    const book = emptyBook()
    takeIn(book, anImage({ id: '1', seq: 3 }))
    takeIn(book, anImage({ id: '2', seq: 4 }))
    takeIn(book, anImage({ id: '3', seq: 11 }))
    expect(keepOnly(book, new Set(['2']), ['1', '2'])).toBe(true)
    expect(book.order).toEqual(['2', '3'])
  })
})

it('orders ids by value also where a number would lose digits', () => {
  expect(compareIds('9007199254740993', '9007199254740992')).toBeGreaterThan(0)
  expect(compareIds('9', '10')).toBeLessThan(0)
  expect(compareIds('7', '7')).toBe(0)
})
