/** The page's promises, in a real browser against the real program. */

import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect, type Page } from '@playwright/test'
import { needs, test } from './manager'
import { landscapes, type PictureFile } from './pictures'

/** What the README shows. Not kept by the test: a person looks at it first and copies it to `docs/`. */
const PICTURE_OF_ITSELF = join(import.meta.dirname, '../test-results/screenshot.png')

test('every photo gets its expected label, and all are there after a reload', async ({ page, house }) => {
  const folder = needs('MANYEYES_IMAGES')
  needs('MANYEYES_MODELS')
  const expected = await expectedClasses(folder)
  const names = Object.keys(expected)
  const paths = (await readdir(folder)).filter((name) => names.includes(name)).map((name) => join(folder, name))
  expect(paths.length).toBe(names.length)
  const manager = await house.start()

  await page.goto(manager.url)
  await drop(page, paths[0] as string)
  await choose(page, paths.slice(1))

  await expect(cards(page, 'recognised')).toHaveCount(paths.length, { timeout: 90_000 })
  expect(await topClasses(page)).toEqual(expected)
  await expect(page.locator('.summary .title')).toHaveText(`All ${paths.length} pictures recognised`)

  await page.reload()
  await expect(cards(page, 'recognised')).toHaveCount(paths.length)
  expect(await topClasses(page)).toEqual(expected)
  const shown = page.locator('[data-image] img').first()
  await expect.poll(() => shown.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0)
})

test('a broken file says why on its own card, and its neighbours are recognised', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const manager = await house.start()
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

test('a manager that crashes is missed, and the page resumes when it is back', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const pictures = landscapes(24)
  const first = await house.start()
  await page.goto(first.url)
  await choose(page, pictures)
  await expect(cards(page, 'recognised')).not.toHaveCount(0, { timeout: 60_000 })

  await first.crash()
  await expect(page.locator('[data-notice=unreachable]')).toBeVisible()

  await house.start({ listen: new URL(first.url).host })
  await expect(page.locator('[data-notice=unreachable]')).toHaveCount(0, { timeout: 30_000 })
  await expect(cards(page, 'recognised')).toHaveCount(pictures.length, { timeout: 90_000 })
  await expect(page.locator('.card')).toHaveCount(pictures.length)
})

test('a worker that is killed is told of, and its images are answered by others', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const pictures = landscapes(30)
  const manager = await house.start()
  await page.goto(manager.url)
  await choose(page, pictures)
  await expect(cards(page, 'recognised')).not.toHaveCount(0, { timeout: 60_000 })

  const victim = (await manager.workers())[0]
  expect(victim).toBeDefined()
  process.kill(victim as number, 'SIGKILL')

  await expect(page.locator('[data-notice^=news]').filter({ hasText: 'was lost' })).toBeVisible()
  await expect(cards(page, 'recognised')).toHaveCount(pictures.length, { timeout: 90_000 })
})

test('the page has a picture of itself for the documentation', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const pictures = landscapes(12)
  const manager = await house.start()
  await page.setViewportSize({ width: 1280, height: 860 })
  await page.goto(manager.url)
  await choose(page, pictures)
  await expect(cards(page, 'recognised')).toHaveCount(pictures.length, { timeout: 60_000 })

  await expect(page.locator('.summary [data-done=true]')).toBeVisible()

  const shot = await page.screenshot({ path: PICTURE_OF_ITSELF, animations: 'disabled' })
  expect(shot.length).toBeGreaterThan(10_000)
})

/** The cards of images in a state. */
function cards(page: Page, state: string) {
  return page.locator(`[data-image][data-state=${state}]`)
}

/** Chooses files, as with the button. */
async function choose(page: Page, files: string[] | PictureFile[]): Promise<void> {
  await page.locator('input[type=file]').setInputFiles(files)
}

/** Drops one file on the page. */
async function drop(page: Page, path: string): Promise<void> {
  const file = { name: basename(path), base64: (await readFile(path)).toString('base64') }
  const transfer = await page.evaluateHandle(({ name, base64 }) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
    const made = new DataTransfer()
    made.items.add(new File([bytes], name))
    return made
  }, file)
  await page.locator('.zone').dispatchEvent('drop', { dataTransfer: transfer })
}

/** The most probable class of each card, by the card's file name. */
async function topClasses(page: Page): Promise<Record<string, number>> {
  const found = await page.locator('[data-image]').evaluateAll((all) =>
    all.map((card): [string, number] => [
      card.querySelector('h2')?.textContent ?? '',
      Number(card.querySelector<HTMLElement>('.top-five li')?.dataset.index),
    ]),
  )
  return Object.fromEntries(found)
}

/** `expected.csv` begins with the file's name and its class. */
async function expectedClasses(folder: string): Promise<Record<string, number>> {
  const lines = (await readFile(join(folder, 'expected.csv'), 'utf8')).trim().split('\n').slice(1)
  return Object.fromEntries(lines.map((line) => line.split(',', 2)).map(([file, index]) => [file, Number(index)]))
}
