import { createHash } from 'node:crypto'
import { expect, it, vi } from 'vitest'
import { digestOf, SLICE_BYTES } from './digest'

it('is the SHA-256 of the whole file, read slice by slice', async () => {
  for (const size of [0, 1, SLICE_BYTES, 2 * SLICE_BYTES + 77]) {
    const bytes = Uint8Array.from({ length: size }, (_, index) => index % 251)
    const file = new Blob([bytes])
    const slice = vi.spyOn(file, 'slice')
    expect(await digestOf(file)).toBe(createHash('sha256').update(bytes).digest('hex'))
    expect(slice).toHaveBeenCalledTimes(Math.ceil(size / SLICE_BYTES))
  }
})
