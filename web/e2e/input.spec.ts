/** The page's promises about what people really drop, and about addresses and pages that are too old. */

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from '@playwright/test'
import { counts, images, topClasses, untilAtLeast } from './books'
import { drop, slowLink } from './devtools'
import { choose, openWithWorkers, untilDone, withNewerManager } from './gestures'
import { test } from './manager'
import { heavyPicture, landscapes, type PictureFile } from './pictures'

test('of a dropped folder the pictures are taken, those in folders inside as well', async ({ page, house, folder }) => {
  await mkdir(join(folder, 'summer/beach'), { recursive: true })
  const [first, second, third] = landscapes(3) as [PictureFile, PictureFile, PictureFile]
  await writeFile(join(folder, 'first.png'), first.buffer)
  await writeFile(join(folder, 'summer/second.png'), second.buffer)
  await writeFile(join(folder, 'summer/beach/third.png'), third.buffer)
  await writeFile(join(folder, 'summer/notes.txt'), 'No picture.')
  const manager = await house.up()

  await page.goto(manager.url)
  await drop(page, [folder])

  await untilAtLeast(page, 3, 'recognised')
  await untilDone(page)
  expect(Object.keys(await topClasses(page)).toSorted()).toEqual(['first.png', 'second.png', 'third.png'])
  await expect(page.locator('[data-notice=left-out]')).toContainText(/1 other file/)
})

test('what is dropped before the manager has answered anything arrives', async ({ page, house, folder }) => {
  await writePictures(folder, landscapes(3))
  const manager = await house.up()
  let answer = () => {}
  const held = new Promise<void>((resolve) => (answer = resolve))
  await page.route('**/api/v1/session', async (route) => {
    await held
    await route.continue()
  })

  await page.goto(manager.url)
  await drop(page, [folder])
  answer()

  await untilAtLeast(page, 3, 'recognised')
})

test('three pictures among 10,000 other files are found', async ({ page, house, folder }) => {
  for (let number = 0; number < 10_000; number += 1) await writeFile(join(folder, `page-${number}.txt`), 'No picture.')
  await writePictures(folder, landscapes(3))
  const manager = await house.up()

  await page.goto(manager.url)
  await drop(page, [folder])

  await untilAtLeast(page, 3, 'recognised')
  await untilDone(page)
  expect(await counts(page)).toMatchObject({ total: 3 })
  await expect(page.locator('[data-notice=left-out]')).toContainText(/10,000 other files/)
})

test('two files of one name are two pictures', async ({ page, house, folder }) => {
  const [first, second] = landscapes(2) as [PictureFile, PictureFile]
  for (const place of ['winter', 'summer']) await mkdir(join(folder, place))
  await writeFile(join(folder, 'winter/same.png'), first.buffer)
  await writeFile(join(folder, 'summer/same.png'), second.buffer)
  const manager = await house.up()

  await page.goto(manager.url)
  await drop(page, [folder])
  await untilAtLeast(page, 2, 'recognised')
  await untilDone(page)

  expect((await images(page)).map(({ name }) => name)).toEqual(['same.png', 'same.png'])
})

test('a file that is deleted before its turn says so, and the others arrive', async ({ page, house, folder }) => {
  const pictures = landscapes(30)
  await writePictures(folder, pictures)
  const last = pictures.at(-1) as PictureFile
  const manager = await house.up()
  await openWithWorkers(page, manager.url, 3)
  const quicken = await slowLink(page, { latencyMs: 20, bytesPerSecond: 200_000 })

  // Chosen one by one, as a folder's order is the file system's.
  await choose(page, pictures.map(({ name }) => join(folder, name)))
  await untilAtLeast(page, 2, 'total')
  expect((await counts(page)).total, 'the file is deleted too late').toBeLessThan(pictures.length - 8)
  await rm(join(folder, last.name))
  await quicken()

  await untilAtLeast(page, pictures.length - 1, 'recognised')
  await expect(page.locator('[data-failed=deleted]')).toContainText(last.name)
  await expect(page.locator('[data-failed=deleted]')).toContainText(/can no longer be read/)
  expect(await counts(page)).toMatchObject({ total: pictures.length - 1 })
})

test('a photo of 30 MB on a slow link shows how far it is, and holds up no other', async ({ page, house }) => {
  const manager = await house.up()
  await openWithWorkers(page, manager.url, 3)
  const quicken = await slowLink(page, { latencyMs: 20, bytesPerSecond: 1_000_000 })

  await choose(page, [heavyPicture('heavy.png', 30_000_000), ...landscapes(3)])

  await untilAtLeast(page, 3, 'recognised')
  expect((await counts(page)).total, 'the heavy one is faster than the link').toBe(3)
  const shares = page.locator('[data-uploads] progress, [data-uploads] [role=progressbar]')
  await expect(shares.first()).toBeVisible()
  await quicken()
  await untilAtLeast(page, 4, 'recognised')
  await untilDone(page)
})

test('names in Chinese, Arabic and emoji are kept and shown', async ({ page, house }) => {
  const names = ['黄昏的港口.png', 'غروب الشمس.png', '🏔️🌅.png', 'Zoë’s “naïve” <b>hill.png']
  const manager = await house.up()

  await page.goto(manager.url)
  await choose(page, landscapes(names.length).map((picture, at) => ({ ...picture, name: names[at] as string })))
  await untilAtLeast(page, names.length, 'recognised')

  expect((await images(page)).map(({ name }) => name).toSorted()).toEqual(names.toSorted())
  for (const name of names) await expect(page.locator('[data-image]').filter({ hasText: name })).toBeVisible()
})

test('the address of a batch that is gone says so, and leads on', async ({ page, house }) => {
  const manager = await house.manager()

  await page.goto(`${manager.url}/#2Jn8yQwErTzUiOpAsDfGhK`)

  await expect(page.getByRole('heading', { name: /no such batch/i })).toBeVisible()
  await page.getByRole('link', { name: /new batch/i }).last().click()
  await expect(page.locator('input[type=file]').first()).toBeAttached()
  expect(new URL(page.url()).hash).toBe('')
})

test('a batch that is deleted while it is open says so', async ({ page, house }) => {
  const manager = await house.up()
  await page.goto(manager.url)
  await choose(page, landscapes(2))
  await untilAtLeast(page, 2, 'recognised')

  const { origin, hash } = new URL(page.url())
  await fetch(`${origin}/api/v1/batches/${hash.slice(1)}`, { method: 'DELETE' })

  await expect(page.getByRole('heading', { name: /gone/i })).toBeVisible()
})

test('a page that is older than its manager asks to be loaded again', async ({ page, house }) => {
  const manager = await house.manager()
  const renew = await withNewerManager(page)
  await page.goto(manager.url)
  await choose(page, landscapes(1))
  const outdated = page.locator('[data-notice=outdated]')
  await expect(outdated).toBeVisible()

  renew()
  await outdated.getByRole('button').click()
  await expect(page.locator('[data-image]')).toHaveCount(1)
  await expect(outdated).toHaveCount(0)
})

async function writePictures(folder: string, pictures: readonly PictureFile[]): Promise<void> {
  for (const { name, buffer } of pictures) await writeFile(join(folder, name), buffer)
}
