import { describe, expect, it } from 'vitest'
import { arrange, EVERYTHING, type View } from './view'
import { cellAt, columnsFor, fileCell, fileOf, layRows, locate, moved, type Move, type Row } from './rows'

const nothing = arrange([], [], EVERYTHING)
const five: View = { ...nothing, order: ['1', '2', '3', '4', '5'] }
const groups = [
  { key: 'cat', label: null, images: ['1', '2', '3'] },
  { key: 'dog', label: null, images: ['4'] },
]
const grouped: View = { ...five, order: ['1', '2', '3', '4'], groups }

const none = new Set<string>()
const cells = (rows: Row[]) => rows.map((row) => (row.kind === 'group' ? row.key : row.cells.join(' ')))

describe('rows', () => {
  it('hold as many cards as there are columns, and the last one the rest', () => {
    expect(cells(layRows(five, 2, none))).toEqual(['1 2', '3 4', '5'])
    expect(layRows(nothing, 2, none)).toEqual([])
  })

  it('hold as many columns as cards have room, and one where there is room for none', () => {
    expect(columnsFor(1000, 10, 240)).toBe(4)
    expect(columnsFor(989, 10, 240)).toBe(3)
    expect(columnsFor(100, 10, 240)).toBe(1)
    expect(columnsFor(0, 10, 240)).toBe(1)
  })

  it('have the files on their way behind the images, or before them, in one row with them', () => {
    const files = { ...five, files: ['a', 'b'] }
    expect(cells(layRows(files, 3, none))).toEqual(['1 2 3', '4 5 file:a', 'file:b'])
    expect(cells(layRows({ ...files, filesFirst: true }, 3, none))).toEqual(['file:a file:b 1', '2 3 4', '5'])
  })

  it('begin anew with each group, whose own row stays when it is closed', () => {
    expect(cells(layRows(grouped, 2, none))).toEqual(['group:cat', '1 2', '3', 'group:dog', '4'])
    expect(cells(layRows(grouped, 2, new Set(['cat'])))).toEqual(['group:cat', 'group:dog', '4'])
    expect(cells(layRows({ ...grouped, files: ['a'] }, 2, none)).at(-1)).toBe('file:a')
  })

  it('have keys of their own', () => {
    const keys = layRows({ ...grouped, files: ['a'] }, 1, none).map((row) => row.key)
    expect(new Set(keys).size).toBe(keys.length)
  })
})

it('tells files from images', () => {
  expect(fileOf(fileCell('k'))).toBe('k')
  expect(fileOf('17')).toBeNull()
})

it('finds a card in its row, and the nearest one where a row is short', () => {
  const rows = layRows(five, 2, none)
  expect(locate(rows, '4')).toEqual({ row: 1, column: 1 })
  expect(locate(rows, '9')).toBeNull()
  expect(cellAt(rows, 2, 1)).toBe('5')
  expect(cellAt(rows, 3, 0)).toBeNull()
})

describe('the keys', () => {
  const rows = layRows(five, 2, none)
  it.each<[string, Move, string]>([
    ['1', 'left', '1'],
    ['3', 'left', '2'],
    ['2', 'right', '3'],
    ['5', 'right', '5'],
    ['1', 'up', '1'],
    ['4', 'up', '2'],
    ['1', 'down', '3'],
    ['4', 'down', '5'],
    ['5', 'down', '5'],
    ['4', 'row_start', '3'],
    ['3', 'row_end', '4'],
    ['4', 'start', '1'],
    ['1', 'end', '5'],
    ['2', 'page_down', '5'],
    ['5', 'page_up', '1'],
  ])('lead from %s by %s to %s', (from, move, to) => {
    expect(moved(rows, from, move, 2)).toBe(to)
  })

  it('lead over a group\'s own row into the next group', () => {
    const lines = layRows(grouped, 2, none)
    expect(moved(lines, '3', 'down', 2)).toBe('group:dog')
    expect(moved(lines, 'group:dog', 'down', 2)).toBe('4')
    expect(moved(lines, '4', 'left', 2)).toBe('group:dog')
  })

  it('lead to the first card when there is none to start from, and nowhere when there is none at all', () => {
    expect(moved(rows, null, 'down', 2)).toBe('1')
    expect(moved(rows, '77', 'down', 2)).toBe('1')
    expect(moved([], null, 'down', 2)).toBeNull()
  })
})
