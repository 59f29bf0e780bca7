/**
 * What a person offers, by a drop, a choice or a paste: read portion by portion, so that a large folder neither blocks
 * the page nor waits to be told of until its end.
 */

import { isHidden, isOfSystem, looksLikePicture, type OfferedFile } from './files'

/** As many files are looked at before others get their turn. A folder's reader gives about as many at a time. */
export const PORTION = 100

/** A part of what was offered. */
export interface Portion {
  readonly files: readonly OfferedFile[]
  /** Files of folders that are no pictures. What is hidden or of the system is not spoken of. */
  readonly leftOut: number
  /** Files and folders that could not be read. */
  readonly unreadable: number
}

/** Everything that was offered at once. Can be read once. */
export type Offering = AsyncIterable<Portion>

/**
 * What was dropped; null when there is no file in it. Its entries are taken at once: the browser empties the drop when
 * its event is over.
 */
export function offeringOfDrop(transfer: Pick<DataTransfer, 'items'>): Offering | null {
  const folders: FileSystemDirectoryEntry[] = []
  const files: File[] = []
  for (const item of transfer.items) {
    if (item.kind !== 'file') continue
    const entry = item.webkitGetAsEntry?.() ?? null
    if (entry?.isDirectory) {
      folders.push(entry as FileSystemDirectoryEntry)
    } else {
      const file = item.getAsFile()
      if (file !== null) files.push(file)
    }
  }
  return folders.length + files.length === 0 ? null : portionsOfDrop(files, folders)
}

/** What was chosen or pasted; null when nothing was. Files of a chosen folder say themselves where they were. */
export function offeringOfFiles(files: Iterable<File> | null | undefined): Offering | null {
  const all = [...(files ?? [])]
  return all.length === 0 ? null : portionsOfFiles(all)
}

async function* portionsOfDrop(files: readonly File[], folders: readonly FileSystemDirectoryEntry[]): Offering {
  yield* portionsOfFiles(files)
  for (const folder of folders) yield* portionsOfFolder(folder)
}

async function* portionsOfFiles(all: readonly File[]): Offering {
  for (let begin = 0; begin < all.length; begin += PORTION) {
    const files: OfferedFile[] = []
    let leftOut = 0
    for (const file of all.slice(begin, begin + PORTION)) {
      const path = file.webkitRelativePath || file.name
      const fromFolder = path.includes('/')
      if (fromFolder ? isHiddenIn(path) : isOfSystem(file.name)) continue
      if (fromFolder && !looksLikePicture(file.name)) leftOut += 1
      else files.push({ file, path })
    }
    yield { files, leftOut, unreadable: 0 }
  }
}

/** The folder itself was named by a person, and may have any name. */
function isHiddenIn(path: string): boolean {
  return path.split('/').slice(1).some(isHidden)
}

/** All of a folder and of the folders in it. What cannot be read is counted: its neighbours are meant all the same. */
async function* portionsOfFolder(root: FileSystemDirectoryEntry): Offering {
  const open = [root]
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    const inside: FileSystemDirectoryEntry[] = []
    try {
      for await (const entries of entriesOf(folder)) {
        const shown = entries.filter(({ name }) => !isHidden(name))
        inside.push(...shown.filter(isFolder))
        const files = shown.filter((entry) => !isFolder(entry))
        yield await portionOf(files as FileSystemFileEntry[])
      }
    } catch {
      yield { files: [], leftOut: 0, unreadable: 1 }
    }
    open.push(...inside.toReversed())
  }
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory
}

/** Opens only what looks like a picture: of ten thousand other files no more than the name is read. */
async function portionOf(entries: readonly FileSystemFileEntry[]): Promise<Portion> {
  const meant = entries.filter(({ name }) => looksLikePicture(name))
  const opened = await Promise.all(meant.map(openEntry))
  const files = opened.filter((file) => file !== null)
  return { files, leftOut: entries.length - meant.length, unreadable: opened.length - files.length }
}

function openEntry(entry: FileSystemFileEntry): Promise<OfferedFile | null> {
  const path = entry.fullPath.replace(/^\//, '')
  return new Promise((resolve) => {
    entry.file(
      (file) => resolve({ file, path }),
      () => resolve(null),
    )
  })
}

async function* entriesOf(folder: FileSystemDirectoryEntry): AsyncGenerator<FileSystemEntry[]> {
  const reader = folder.createReader()
  for (;;) {
    // A reader gives at most 100 entries at a time, and none when there are no more.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return
    yield some
  }
}
