/** Which of the files that a person has dropped are meant. */

/** Endings of pictures, for files that the browser gives no type. The manager decides by the bytes. */
const PICTURE_ENDINGS = /\.(jpe?g|png|webp|gif|bmp|heic|heif|avif|tiff?|svg)$/i

/** A file, and whether it was named itself or came with a folder. */
export interface Offered {
  /** Null when it, or the folder that it stands for, could not be read. */
  readonly file: File | null
  readonly fromFolder: boolean
}

/** Files to send, and how many others are not sent. */
export interface Chosen {
  readonly files: File[]
  /** Files of folders that are no pictures. */
  readonly leftOut: number
  readonly unreadable: number
}

/** Of a folder only pictures are meant. A file that was named itself is always sent, to be told what is wrong with it. */
export function choose(offered: readonly Offered[]): Chosen {
  const readable = offered.flatMap(({ file, fromFolder }) => (file === null ? [] : [{ file, fromFolder }]))
  const meant = readable.filter(({ file, fromFolder }) => !fromFolder || looksLikePicture(file))
  return {
    files: meant.map(({ file }) => file),
    leftOut: readable.length - meant.length,
    unreadable: offered.length - readable.length,
  }
}

function looksLikePicture(file: File): boolean {
  return file.type.startsWith('image/') || PICTURE_ENDINGS.test(file.name)
}

/**
 * All files of a drop, those in folders as well. The entries must be taken before the first await: the browser empties
 * the drop when its event is over.
 */
export async function offeredBy(transfer: DataTransfer): Promise<Offered[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null)
  const loose = [...transfer.files]
  if (!entries.some((entry) => entry?.isDirectory)) return loose.map((file) => ({ file, fromFolder: false }))
  const found = await Promise.all(entries.filter((entry) => entry !== null).map((entry) => filesUnder(entry, false)))
  return found.flat()
}

/** What cannot be read is offered as such: its neighbours are meant all the same. */
async function filesUnder(entry: FileSystemEntry, fromFolder: boolean): Promise<Offered[]> {
  const found: Offered[] = []
  try {
    if (entry.isFile) {
      found.push({ file: await fileOf(entry as FileSystemFileEntry), fromFolder })
    } else {
      for await (const each of entriesOf(entry as FileSystemDirectoryEntry)) found.push(...(await filesUnder(each, true)))
    }
  } catch {
    found.push({ file: null, fromFolder })
  }
  return found
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject))
}

async function* entriesOf(folder: FileSystemDirectoryEntry): AsyncGenerator<FileSystemEntry> {
  const reader = folder.createReader()
  for (;;) {
    // A reader gives at most 100 entries at a time, and none when there are no more.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return
    yield* some
  }
}
