import { beforeEach, expect, it, vi } from 'vitest'
import { usePictures } from './usePictures'

const revoke = vi.fn()
beforeEach(() => {
  let made = 0
  vi.spyOn(URL, 'createObjectURL').mockImplementation(() => `blob:${++made}`)
  vi.spyOn(URL, 'revokeObjectURL').mockImplementation(revoke.mockReset())
})

it('a picture is handed on with its file, and revoked once', () => {
  const pictures = usePictures()
  pictures.add('key', new File([], 'a.jpg'))
  pictures.handOn('key', '17')
  expect(pictures.of('key')).toBeUndefined()
  expect(pictures.of('17')).toBe('blob:1')
  pictures.release('key')
  expect(revoke).not.toHaveBeenCalled()
  pictures.release('17')
  pictures.release('17')
  expect(revoke.mock.calls).toEqual([['blob:1']])
  expect(pictures.of('17')).toBeUndefined()
})
