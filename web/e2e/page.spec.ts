/** The page's promises while all goes well but the input, in a real browser against the real program. */

import { join } from 'node:path'
import { expect, type Page } from '@playwright/test'
import { counts, imageNamed, images, topClasses } from './books'
import { drop, weigh } from './devtools'
import { cards, choose, readCards, untilDone } from './gestures'
import { needs, test } from './manager'
import { expectedClasses } from './photos'
import { landscapes, type PictureFile } from './pictures'

/** The most that the page may weigh on the wire, compressed. */
const PAGE_BYTES = 150_000

test('the page weighs at most 150 kB on the wire', async ({ page, house }) => {
  const manager = await house.manager()
  const { bytes, requests } = await weigh(page, async () => {
    await page.goto(manager.url, { waitUntil: 'networkidle' })
  })
  expect(requests).toBeGreaterThan(2)
  expect(bytes).toBeLessThanOrEqual(PAGE_BYTES)
})

for (const engine of ['onnxruntime', 'rten'] as const) {
  test(`every photo gets its expected label from ${engine}, and all are there after a reload`, async ({ page, house }) => {
    const folder = needs('MANYEYES_IMAGES')
    needs('MANYEYES_MODELS')
    if (engine === 'onnxruntime') needs('ORT_DYLIB_PATH')
    const expected = await expectedClasses(folder)
    const paths = Object.keys(expected).map((name) => join(folder, name))
    const manager = await house.up({ engine, model: 'googlenet' })

    await page.goto(manager.url)
    await drop(page, paths.slice(0, 20))
    await choose(page, paths.slice(20))

    await expect.poll(async () => (await counts(page)).total).toBe(paths.length)
    await untilDone(page)
    expect(await topClasses(page)).toEqual(expected)
    const shown = await readCards(page, paths.length)
    for (const { id, name } of await images(page)) {
      expect(shown.get(id), name).toEqual({ state: 'recognised', top: expected[name] })
    }

    await page.reload()
    await untilDone(page)
    expect(await readCards(page, paths.length)).toEqual(shown)
    const picture = page.locator('[data-image] img').first()
    await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0)
  })
}

test('a broken file says why on its own card, and its neighbours are recognised', async ({ page, house }) => {
  const manager = await house.up()
  const broken: PictureFile = { name: 'letter.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('Dear picture, be one.') }

  await page.goto(manager.url)
  const [first, second] = landscapes(2) as [PictureFile, PictureFile]
  await choose(page, [first, broken, second])

  await expect(cards(page, 'recognised')).toHaveCount(2, { timeout: 60_000 })
  const { id } = await imageNamed(page, 'letter.jpg')
  const rejected = page.locator(`[data-image="${id}"]`)
  await expect(rejected).toHaveAttribute('data-state', 'rejected')
  await expect(rejected).toContainText('letter.jpg')
  await expect(rejected).toContainText(/not an image|no image/i)
})

test('a photo that was taken in portrait stands upright on its card', async ({ page, house }) => {
  const manager = await house.up()
  await page.goto(manager.url)
  await choose(page, [{ name: 'portrait.jpg', mimeType: 'image/jpeg', buffer: await takenInPortrait(page) }])
  await untilDone(page)
  await page.reload()

  const shown = page.locator('[data-image] img')
  await expect(shown).toBeVisible()
  const shape = () => shown.evaluate(({ naturalWidth, naturalHeight }: HTMLImageElement) => naturalHeight / naturalWidth)
  await expect.poll(shape).toBeCloseTo(3 / 2, 1)
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
