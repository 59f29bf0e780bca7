/** Which of the files that a person offers are meant. Told by their names, so that thousands of others cost nothing. */

/** Endings of pictures. The manager decides by the bytes; here it is only guessed which files of a folder are meant. */
const PICTURE_ENDINGS = /\.(jpe?g|jfif|pjpe?g|pjp|png|apng|webp|gif|bmp|dib|heic|heif|avif|tiff?|svg)$/i

/** What systems put beside files without being asked: macOS, Windows, archives of macOS, Synology, in this order. */
const SYSTEM_NAMES = /^(\.DS_Store|\.localized|Icon\r|Thumbs\.db|ehthumbs\.db|desktop\.ini|__MACOSX|@eaDir)$/i

/** The largest file that the manager takes: its own limit, so that nothing travels only to be refused. */
export const MOST_FILE_BYTES = 32 * 2 ** 20

/** A file that is to be sent. */
export interface OfferedFile {
  readonly file: File
  /** Where it lies within what was offered: `summer/beach/cat.jpg`. Its name alone where it was named itself. */
  readonly path: string
}

/** Whether a file of a folder is meant: only pictures are. A file that was named itself is always meant. */
export function looksLikePicture(name: string): boolean {
  return PICTURE_ENDINGS.test(name)
}

/** Whether a file was put there by a system and not by a person. Nobody means it, however it was offered. */
export function isOfSystem(name: string): boolean {
  // "._cat.jpg" is what macOS knows of cat.jpg, on disks that have no place for it.
  return SYSTEM_NAMES.test(name) || name.startsWith('._')
}

/** Whether a file or folder within a folder is hidden, or of the system. */
export function isHidden(name: string): boolean {
  return name.startsWith('.') || isOfSystem(name)
}

/** The same for a file that is offered once more, unless it has changed. Two files have it in common only as copies. */
export function identityOf({ file, path }: OfferedFile): string {
  return `${file.size}/${file.lastModified}/${path}`
}
