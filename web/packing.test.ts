import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { codingsOf, visitBytes } from './packing'

let folder = ''
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'manyeyes-packing-'))))
afterEach(() => rm(folder, { recursive: true }))

it('a text has two compressed forms, each of which is the text', () => {
  const script = Buffer.from('export const answer = 42\n'.repeat(100))
  const codings = codingsOf('assets/index.js', script)
  expect(brotliDecompressSync(codings.get('.br') as Buffer)).toEqual(script)
  expect(gunzipSync(codings.get('.gz') as Buffer)).toEqual(script)
})

it('what is small, compressed already, or changed on the way has none', () => {
  const long = Buffer.from('long '.repeat(1000))
  for (const [name, content] of [
    ['theme.js', Buffer.from('short')],
    ['samples/daisy.jpg', long],
    ['index.html', long],
  ] as const) {
    expect(codingsOf(name, content).size, name).toBe(0)
  }
})

it('a visit weighs each file once, as small as it comes, and nothing that is loaded on demand', async () => {
  await mkdir(join(folder, 'samples'))
  for (const [name, bytes] of [
    ['index.html', 100],
    ['index.js', 5000],
    ['index.js.br', 1000],
    ['index.js.gz', 1200],
    ['samples/tiles.webp', 10],
    ['samples/daisy.jpg', 20_000],
    ['.gitignore', 50],
  ] as const) {
    await writeFile(join(folder, name), Buffer.alloc(bytes))
  }
  expect(await visitBytes(folder)).toBe(1110)
})
