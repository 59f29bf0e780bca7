/** Why a file of this computer cannot be read, as browsers tell it. */

import type { Problem } from '../protocol'

/** A file that cannot be read. `name` is that of the browser's error. */
export class FileProblem extends Error {
  constructor(override readonly name: string) {
    super(`the file cannot be read: ${name}`)
  }
}

/** As a problem of an upload: `deleted`, or `changed`, which browsers do not tell from a file that may not be read. */
export function problemOf({ name }: FileProblem): Problem {
  return name === 'NotFoundError'
    ? { code: 'deleted', message: 'The file is not there any more. It was deleted or moved since it was chosen.' }
    : { code: 'changed', message: 'The file cannot be read any more. It was changed since it was chosen: choose it again.' }
}

/** Tries whether a file can be read. An upload of one that cannot fails as if the network had. */
export async function fileProblem(file: Blob): Promise<FileProblem | null> {
  try {
    await file.slice(0, 1).arrayBuffer()
    return null
  } catch (error) {
    return new FileProblem(error instanceof Error ? error.name : String(error))
  }
}
