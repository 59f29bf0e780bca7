import { expect, it } from 'vitest'
import { identityOf, isHidden, isOfSystem, looksLikePicture } from './files'

it('of a folder what ends like a picture is meant, in any case and in any language', () => {
  for (const name of ['a.jpg', 'b.PNG', '黄昏.jpeg', 'غروب.webp', '🌅.gif', 'scan.tiff', 'a.b.bmp', 'IMG_1.HEIC']) {
    expect(looksLikePicture(name), name).toBe(true)
  }
  for (const name of ['notes.txt', 'jpg', 'a.jpg.txt', 'film.mp4', 'raw.cr2', '']) expect(looksLikePicture(name), name).toBe(false)
})

it('what systems leave beside files is nobody’s', () => {
  for (const name of ['.DS_Store', 'Thumbs.db', 'thumbs.DB', 'desktop.ini', '__MACOSX', '._cat.jpg', '@eaDir', 'Icon\r']) {
    expect(isOfSystem(name), name).toBe(true)
  }
  for (const name of ['cat.jpg', '.cat.jpg', 'Thumbs.db.jpg', 'Icon.png']) expect(isOfSystem(name), name).toBe(false)
  expect(isHidden('.cat.jpg')).toBe(true)
  expect(isHidden('cat.jpg')).toBe(false)
})

it('a file is the same where place, size and time are', () => {
  const file = (content: string, lastModified: number) => new File([content], 'cat.jpg', { lastModified })
  const one = identityOf({ file: file('x', 1), path: 'summer/cat.jpg' })
  expect(identityOf({ file: file('y', 1), path: 'summer/cat.jpg' })).toBe(one)
  expect(identityOf({ file: file('x', 2), path: 'summer/cat.jpg' })).not.toBe(one)
  expect(identityOf({ file: file('xx', 1), path: 'summer/cat.jpg' })).not.toBe(one)
  expect(identityOf({ file: file('x', 1), path: 'winter/cat.jpg' })).not.toBe(one)
})
