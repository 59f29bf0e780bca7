/** Which of the files that a person has dropped are meant. */

/** Endings of pictures, for files that the browser gives no type. The manager decides by the bytes. */
const PICTURE_ENDINGS = /\.(jpe?g|png|webp|gif|bmp|heic|heif|avif|tiff?|svg)$/i

/** A file, and whether it was named itself or came with a folder. */
export interface Offered {
  readonly file: File
  readonly fromFolder: boolean
}

/** Files to send, and how many others were left out. */
export interface Chosen {
  readonly files: File[]
  readonly leftOut: number
}

/** Of a folder only pictures are meant. A file that was named itself is always sent, to be told what is wrong with it. */
export function choose(offered: readonly Offered[]): Chosen {
  const files = offered.filter(({ file, fromFolder }) => !fromFolder || looksLikePicture(file)).map(({ file }) => file)
  return { files, leftOut: offered.length - files.length }
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

async function filesUnder(entry: FileSystemEntry, fromFolder: boolean): Promise<Offered[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
    return [{ file, fromFolder }]
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  const found: Offered[] = []
  for (;;) {
    // A reader gives at most 100 entries at a time, and none when there are no more.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return found
    for (const each of some) found.push(...(await filesUnder(each, true)))
  }
}
