import { expect, it } from 'vitest'
import { choose, offeredBy } from './files'

const file = (name: string, type = '') => new File(['x'], name, { type })

it('of a folder only pictures are sent, and the rest is counted', () => {
  const offered = [file('a.jpg', 'image/jpeg'), file('b.PNG'), file('notes.txt', 'text/plain')].map((each) => ({
    file: each,
    fromFolder: true,
  }))
  const chosen = choose(offered)
  expect(chosen.files.map(({ name }) => name)).toEqual(['a.jpg', 'b.PNG'])
  expect(chosen.leftOut).toBe(1)
})

it('a file that was named itself is always sent', () => {
  expect(choose([{ file: file('notes.txt'), fromFolder: false }]).files).toHaveLength(1)
})

it('a folder is read to its end, also beyond the first hundred entries and in folders inside', async () => {
  const folder = fakeFolder([...Array.from({ length: 150 }, (_, n) => fakeFile(`${n}.png`)), fakeFolder([fakeFile('deep.png')])])
  const transfer = { items: [{ webkitGetAsEntry: () => folder }], files: [] }
  const offered = await offeredBy(transfer as unknown as DataTransfer)
  expect(offered).toHaveLength(151)
  expect(offered.every(({ fromFolder }) => fromFolder)).toBe(true)
  expect(offered.at(-1)?.file?.name).toBe('deep.png')
})

it('what cannot be read is counted, and its neighbours are sent all the same', async () => {
  const locked = { isFile: true, isDirectory: false, file: (_: unknown, fail: (why: Error) => void) => fail(new Error('locked')) }
  const closed = { ...fakeFolder([]), createReader: () => ({ readEntries: locked.file }) }
  const folder = fakeFolder([fakeFile('a.png'), locked, closed, fakeFolder([fakeFile('b.png'), fakeFile('notes.txt')])])
  const transfer = { items: [{ webkitGetAsEntry: () => folder }], files: [] }
  const chosen = choose(await offeredBy(transfer as unknown as DataTransfer))
  expect(chosen.files.map(({ name }) => name)).toEqual(['a.png', 'b.png'])
  expect(chosen).toMatchObject({ leftOut: 1, unreadable: 2 })
})

it('loose files are taken as they are', async () => {
  const transfer = { items: [{ webkitGetAsEntry: () => null }], files: [file('a.jpg')] }
  const offered = await offeredBy(transfer as unknown as DataTransfer)
  expect(offered.map(({ fromFolder }) => fromFolder)).toEqual([false])
})

function fakeFile(name: string) {
  return { isFile: true, isDirectory: false, file: (found: (one: File) => void) => found(file(name)) }
}

/** Gives 100 entries at a time, as browsers do. */
function fakeFolder(entries: unknown[]) {
  const createReader = () => {
    let at = 0
    return { readEntries: (found: (some: unknown[]) => void) => found(entries.slice(at, (at += 100))) }
  }
  return { isFile: false, isDirectory: true, createReader }
}
