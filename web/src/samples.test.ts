import { readdir } from 'node:fs/promises'
import { expect, it, vi } from 'vitest'
import { SAMPLES, sampleFiles } from './samples'

it('each sample is drawn, and lies in the order of the tiles', async () => {
  const { scenes } = (await import('../samples/scenes.mjs' as string)) as { scenes: Record<string, unknown> }
  expect(SAMPLES).toEqual(Object.keys(scenes))
  const drawn = await readdir('public/samples')
  expect(drawn.toSorted()).toEqual([...SAMPLES.map((sample) => `${sample}.jpg`), 'tiles.webp'].toSorted())
})

it('a sample is a file with a name, as if a person had chosen it', async () => {
  vi.stubGlobal('fetch', async (url: string) => new Response(`bytes of ${url}`))
  const [file] = await sampleFiles(['daisy'])
  expect([file?.name, file?.type, await file?.text()]).toEqual(['daisy.jpg', 'image/jpeg', 'bytes of /samples/daisy.jpg'])
})

it('a sample that is not there is an error, and no picture of an error page', async () => {
  vi.stubGlobal('fetch', async () => new Response('no such address', { status: 404 }))
  await expect(sampleFiles(['daisy'])).rejects.toThrow('daisy.jpg')
})
