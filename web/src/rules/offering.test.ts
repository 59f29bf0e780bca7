import { expect, it, vi } from 'vitest'
import { offeringOfDrop, offeringOfFiles, PORTION, type Offering } from './offering'

const file = (name: string) => new File(['x'], name)

it('a folder is read to its end, beyond the first hundred entries and in folders inside', async () => {
  const all = Array.from({ length: 250 }, (_, number) => aFile(`${number}.png`))
  const read = await readDrop(aFolder('summer', [...all, aFolder('beach', [aFile('deep.png')])]))
  expect(read.paths).toHaveLength(251)
  expect(read.paths.at(-1)).toBe('summer/beach/deep.png')
})

it('of ten thousand other files in a folder none is opened, and all are counted', async () => {
  const others = Array.from({ length: 10_000 }, (_, number) => aFile(`${number}.txt`))
  const opened = vi.fn()
  for (const other of others) other.file = opened
  const read = await readDrop(aFolder('papers', [...others.slice(0, 5000), aFile('a.png'), ...others.slice(5000)]))
  expect(read).toMatchObject({ paths: ['papers/a.png'], leftOut: 10_000, unreadable: 0 })
  expect(opened).not.toHaveBeenCalled()
})

it('is told of portion by portion, so that a page can say how far it is', async () => {
  const portions = await portionsOf(aFolder('summer', Array.from({ length: 250 }, (_, number) => aFile(`${number}.png`))))
  expect(portions.map(({ files }) => files.length)).toEqual([100, 100, 50])
})

it('what is hidden or of the system is left out without a word', async () => {
  const folder = aFolder('summer', [
    aFile('a.png'),
    aFile('.DS_Store'),
    aFile('Thumbs.db'),
    aFile('._a.png'),
    aFile('.secret.png'),
    aFolder('__MACOSX', [aFile('a.png')]),
    aFolder('.git', [aFile('b.png')]),
  ])
  expect(await readDrop(folder)).toEqual({ paths: ['summer/a.png'], leftOut: 0, unreadable: 0 })
})

it('what cannot be read is counted, and its neighbours are sent all the same', async () => {
  const locked = aFile('locked.png')
  locked.file = (_found, fail) => fail(new DOMException('locked', 'NotReadableError'))
  const closed = aFolder('closed', [])
  closed.createReader = () => ({ readEntries: (_found, fail) => fail(new DOMException('closed', 'SecurityError')) })
  const folder = aFolder('all', [aFile('a.png'), locked, closed, aFolder('open', [aFile('b.png'), aFile('notes.txt')])])
  expect(await readDrop(folder)).toEqual({ paths: ['all/a.png', 'all/open/b.png'], leftOut: 1, unreadable: 2 })
})

it('files that were named themselves are taken as they are, whatever they are called', async () => {
  expect(await read(offeringOfFiles([file('a.jpg'), file('notes.txt'), file('.hidden.png')]))).toEqual({
    paths: ['a.jpg', 'notes.txt', '.hidden.png'],
    leftOut: 0,
    unreadable: 0,
  })
  expect((await readDrop(aFile('notes.txt'))).paths).toEqual(['notes.txt'])
})

it('a chosen folder is a folder as well, and may itself be hidden', async () => {
  const within = (path: string) => Object.defineProperty(file(path.split('/').at(-1) ?? ''), 'webkitRelativePath', { value: path })
  const chosen = ['.album/a.png', '.album/notes.txt', '.album/.DS_Store', '.album/.git/b.png'].map(within)
  expect(await read(offeringOfFiles(chosen))).toEqual({ paths: ['.album/a.png'], leftOut: 1, unreadable: 0 })
})

it('many files that are chosen are looked at in portions', async () => {
  const portions = await collect(offeringOfFiles(Array.from({ length: 2 * PORTION + 1 }, (_, number) => file(`${number}.png`))))
  expect(portions.map(({ files }) => files.length)).toEqual([PORTION, PORTION, 1])
})

it('a drop without a file offers nothing', () => {
  expect(offeringOfDrop({ items: [{ kind: 'string' }] as unknown as DataTransferItemList })).toBeNull()
  expect(offeringOfFiles([])).toBeNull()
  expect(offeringOfFiles(undefined)).toBeNull()
})

type Fail = (why: DOMException) => void
type Entry = FakeFile | FakeFolder

interface FakeFile {
  name: string
  isDirectory: false
  fullPath: string
  file(found: (one: File) => void, fail: Fail): void
}

interface FakeFolder {
  name: string
  isDirectory: true
  fullPath: string
  entries: Entry[]
  createReader(): { readEntries(found: (some: unknown[]) => void, fail: Fail): void }
}

function aFile(name: string): FakeFile {
  return { name, isDirectory: false, fullPath: `/${name}`, file: (found) => found(file(name)) }
}

/** Gives 100 entries at a time, as browsers do. */
function aFolder(name: string, entries: Entry[]): FakeFolder {
  const createReader: FakeFolder['createReader'] = () => {
    let at = 0
    return { readEntries: (found) => found(entries.slice(at, (at += 100))) }
  }
  const folder: FakeFolder = { name, isDirectory: true, fullPath: `/${name}`, entries, createReader }
  place(folder)
  return folder
}

function place(folder: { fullPath: string; entries: Entry[] }): void {
  for (const entry of folder.entries) {
    entry.fullPath = `${folder.fullPath}/${entry.name}`
    if ('entries' in entry) place(entry)
  }
}

function offeringOf(entry: Entry): Offering | null {
  const item = { kind: 'file', webkitGetAsEntry: () => entry, getAsFile: () => file(entry.name) }
  return offeringOfDrop({ items: [item] as unknown as DataTransferItemList })
}

async function collect(offering: Offering | null) {
  const portions = []
  for await (const portion of offering ?? []) portions.push(portion)
  return portions
}

async function portionsOf(entry: Entry) {
  return (await collect(offeringOf(entry))).filter(({ files }) => files.length > 0)
}

const readDrop = (entry: Entry) => read(offeringOf(entry))

async function read(offering: Offering | null) {
  const portions = await collect(offering)
  return {
    paths: portions.flatMap(({ files }) => files.map(({ path }) => path)),
    leftOut: portions.reduce((sum, { leftOut }) => sum + leftOut, 0),
    unreadable: portions.reduce((sum, { unreadable }) => sum + unreadable, 0),
  }
}
