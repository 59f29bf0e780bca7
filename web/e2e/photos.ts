/** The labelled photos that some tests recognise. They are never shown in the documentation, nor kept. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The class of each photo in a folder, by file name: the first two columns of its `expected.csv`. */
export async function expectedClasses(folder: string): Promise<Record<string, number>> {
  const lines = (await readFile(join(folder, 'expected.csv'), 'utf8')).trim().split('\n').slice(1)
  return Object.fromEntries(lines.map((line) => line.split(',', 2)).map(([file, index]) => [file, Number(index)]))
}
