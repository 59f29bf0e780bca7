/** The page's promises while all goes well but the input, in a real browser against the real program. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, type Page } from '@playwright/test'
import { cards, choose, drop, topClasses } from './gestures'
import { needs, test } from './manager'
import { expectedClasses } from './photos'
import { landscapes, type PictureFile } from './pictures'

/** What the README shows. Not kept by the test: a person looks at it first and copies it to `docs/`. */
const PICTURE_OF_ITSELF = join(import.meta.dirname, '../test-results/screenshot.png')

for (const engine of ['onnxruntime', 'rten'] as const) {
  test(`every photo gets its expected label from ${engine}, and all are there after a reload`, async ({ page, house }) => {
    const folder = needs('MANYEYES_IMAGES')
    needs('MANYEYES_MODELS')
    if (engine === 'onnxruntime') needs('ORT_DYLIB_PATH')
    const expected = await expectedClasses(folder)
    const paths = Object.keys(expected).map((name) => join(folder, name))
    const manager = await house.up({ engine })

    await page.goto(manager.url)
    await drop(page, paths.slice(0, 20))
    await choose(page, paths.slice(20))

    await expect(cards(page, 'recognised')).toHaveCount(paths.length, { timeout: 60_000 })
    expect(await topClasses(page)).toEqual(expected)
    await expect(page.locator('.summary .title')).toHaveText(`All ${paths.length} pictures recognised`)

    await page.reload()
    await expect(cards(page, 'recognised')).toHaveCount(paths.length)
    expect(await topClasses(page)).toEqual(expected)
    const shown = page.locator('[data-image] img').first()
    await expect.poll(() => shown.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0)
  })
}

test('of a dropped folder the pictures are taken, those in folders inside as well', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const folder = await mkdtemp(join(tmpdir(), 'manyeyes-folder-'))
  await mkdir(join(folder, 'summer/beach'), { recursive: true })
  const [first, second, third] = landscapes(3) as [PictureFile, PictureFile, PictureFile]
  await writeFile(join(folder, 'first.png'), first.buffer)
  await writeFile(join(folder, 'summer/second.png'), second.buffer)
  await writeFile(join(folder, 'summer/beach/third.png'), third.buffer)
  await writeFile(join(folder, 'summer/notes.txt'), 'No picture.')
  const manager = await house.up()

  await page.goto(manager.url)
  await drop(page, [folder])

  await expect(cards(page, 'recognised')).toHaveCount(3, { timeout: 60_000 })
  expect(Object.keys(await topClasses(page)).toSorted()).toEqual(['first.png', 'second.png', 'third.png'])
  await expect(page.locator('[data-notice=left-out]')).toHaveText(/1 other file/)
  await rm(folder, { recursive: true })
})

test('a broken file says why on its own card, and its neighbours are recognised', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const manager = await house.up()
  const broken: PictureFile = { name: 'letter.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('Dear picture, be one.') }

  await page.goto(manager.url)
  const [first, second] = landscapes(2) as [PictureFile, PictureFile]
  await choose(page, [first, broken, second])

  await expect(cards(page, 'recognised')).toHaveCount(2, { timeout: 60_000 })
  const rejected = cards(page, 'rejected')
  await expect(rejected).toHaveCount(1)
  await expect(rejected.locator('h2')).toHaveText('letter.jpg')
  await expect(rejected.locator('.reason')).not.toBeEmpty()
  await expect(page.locator('.reason')).toHaveCount(1)
})

test('a photo that was taken in portrait stands upright on its card', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const manager = await house.up()
  await page.goto(manager.url)
  await choose(page, [{ name: 'portrait.jpg', mimeType: 'image/jpeg', buffer: await takenInPortrait(page) }])
  await expect(cards(page, 'recognised')).toHaveCount(1, { timeout: 60_000 })
  await page.reload()

  const shown = page.locator('[data-image] img')
  await expect(shown).toHaveAttribute('src', /thumbnail/)
  const size = () => shown.evaluate(({ naturalWidth, naturalHeight }: HTMLImageElement) => naturalHeight / naturalWidth)
  await expect.poll(size).toBeCloseTo(3 / 2, 1)
})

test('the page has a picture of itself for the documentation', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const pictures = landscapes(12)
  const manager = await house.up()
  await page.setViewportSize({ width: 1280, height: 860 })
  await page.goto(manager.url)
  await choose(page, pictures)
  await expect(cards(page, 'recognised')).toHaveCount(pictures.length, { timeout: 60_000 })

  await expect(page.locator('.summary [data-done=true]')).toBeVisible()

  const shot = await page.screenshot({ path: PICTURE_OF_ITSELF, animations: 'disabled' })
  expect(shot.length).toBeGreaterThan(10_000)
})

/** A JPEG whose pixels lie on their side, 3:2, and whose EXIF block says so (orientation 6: turn right to see it). */
async function takenInPortrait(page: Page): Promise<Buffer> {
  const base64 = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 300, height: 200 })
    canvas.getContext('2d')?.fillRect(0, 0, 60, 200)
    return canvas.toDataURL('image/jpeg').split(',')[1] ?? ''
  })
  const jpeg = Buffer.from(base64, 'base64')
  // TIFF, big-endian, with one entry: tag 0x0112 (orientation), type SHORT, count 1, value 6.
  const exif = Buffer.from('457869660000' + '4d4d002a00000008' + '0001' + '0112000300000001' + '00060000' + '00000000', 'hex')
  const length = Buffer.from([0, exif.length + 2])
  return Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xe1]), length, exif, jpeg.subarray(2)])
}
