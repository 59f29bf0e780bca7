/**
 * What a build does once its files are written: `X.br` and `X.gz` beside each text `X`, for the manager to send, and the
 * page put on the scales.
 */

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** What a visit may load in all, before the first picture: two seconds over a slow mobile network. */
export const MOST_PAGE_BYTES = 150_000

/** Below this the header that names the coding costs as much as the coding saves. */
const LEAST_BYTES = 1000

const TEXTS = /\.(js|css|svg|json|map)$/
const CODINGS = /\.(br|gz)$/

/** Loaded only when a person asks for them. */
const ON_DEMAND = /^samples\/.*\.jpg$/

/** Compresses what was built, says what a visit weighs, and fails where that is too much. */
export function packed(): Plugin {
  let folder = ''
  return {
    name: 'packed',
    apply: 'build',
    configResolved({ root, build }) {
      folder = resolve(root, build.outDir)
    },
    async closeBundle(error) {
      if (error) return
      await pack(folder)
      const bytes = await visitBytes(folder)
      this.info(`a visit loads ${(bytes / 1000).toFixed(1)} kB, of at most ${MOST_PAGE_BYTES / 1000} kB`)
      if (bytes > MOST_PAGE_BYTES) this.error(`the page is too heavy: ${bytes} bytes, more than ${MOST_PAGE_BYTES}`)
    },
  }
}

/** The compressed forms of a file by the ending of their names: none where they gain nothing. */
export function codingsOf(name: string, content: Buffer): Map<string, Buffer> {
  // The manager writes into index.html, and so sends it as it is.
  if (!TEXTS.test(name) || content.length < LEAST_BYTES) return new Map()
  const quality = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length }
  const codings = new Map([
    ['.br', brotliCompressSync(content, { params: quality })],
    ['.gz', gzipSync(content, { level: 9 })],
  ])
  for (const [ending, coded] of codings) if (coded.length >= content.length) codings.delete(ending)
  return codings
}

/** The bytes of all that a visit loads from `folder`, each file in its smallest form. */
export async function visitBytes(folder: string): Promise<number> {
  const sizes = new Map<string, number>()
  for (const name of await namesIn(folder)) {
    if (ON_DEMAND.test(name) || name.endsWith('.gitignore')) continue
    const { length } = await readFile(join(folder, name))
    const plain = name.replace(CODINGS, '')
    sizes.set(plain, Math.min(length, sizes.get(plain) ?? Infinity))
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

async function pack(folder: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    const codings = codingsOf(name, await readFile(join(folder, name)))
    for (const [ending, coded] of codings) await writeFile(join(folder, name + ending), coded)
  }
}

async function namesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).toSorted()
}
