import { beforeEach, expect, it, vi } from 'vitest'
import { HANDED_ON_KEPT, MOST_SHOWN_BYTES, usePictures } from './usePictures'

let made = 0
beforeEach(() => {
  made = 0
  vi.spyOn(URL, 'createObjectURL').mockImplementation(() => `blob:${++made}`)
  vi.spyOn(URL, 'revokeObjectURL').mockReturnValue()
})

const cat = new File(['x'], 'cat.jpg')

it('a picture is made when its card is there, and follows the file until it is an image', () => {
  const pictures = usePictures()
  expect(pictures.of('key')).toBeUndefined()
  pictures.show('key', cat)
  expect(pictures.of('key')).toBe('blob:1')
  pictures.handOn('key', '7')
  // The card of the upload goes; the picture is the image's by then.
  pictures.release('key')
  expect(pictures.of('key')).toBeUndefined()
  expect(pictures.of('7')).toBe('blob:1')
  expect(URL.revokeObjectURL).not.toHaveBeenCalled()
  pictures.release('7')
  expect(pictures.of('7')).toBeUndefined()
  expect(URL.revokeObjectURL).toHaveBeenCalledWith('blob:1')
})

it('a file whose card nobody has seen never becomes a picture', () => {
  const pictures = usePictures()
  pictures.handOn('key', '7')
  expect(pictures.of('7')).toBeUndefined()
  expect(URL.createObjectURL).not.toHaveBeenCalled()
})

it('a very large file waits for its thumbnail', () => {
  const pictures = usePictures()
  pictures.show('key', Object.defineProperty(new File([], 'a.jpg'), 'size', { value: MOST_SHOWN_BYTES + 1 }))
  expect(pictures.of('key')).toBeUndefined()
})

it('of pictures whose thumbnail never comes only some are kept, so that memory stays flat', () => {
  const pictures = usePictures()
  for (let number = 0; number < 3 * HANDED_ON_KEPT; number += 1) {
    pictures.show(`key-${number}`, cat)
    pictures.handOn(`key-${number}`, `${number}`)
  }
  expect(URL.revokeObjectURL).toHaveBeenCalledTimes(2 * HANDED_ON_KEPT)
  expect(pictures.of('0')).toBeUndefined()
  expect(pictures.of(`${3 * HANDED_ON_KEPT - 1}`)).toBeDefined()
})
