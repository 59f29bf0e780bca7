/** The way of a folder of photos from the drop to the export, with everything on it that may come between. */

import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, type Page, type Request } from '@playwright/test'
import type { Uploaded } from '../src/protocol'
import { batchUrl, counts, images, topClasses, untilAtLeast } from './books'
import { drop, slowLink } from './devtools'
import { cards, happening, readCards, select, untilDone, workerRow } from './gestures'
import { needs, test, type Manager } from './manager'
import { expectedClasses } from './photos'
import { landscapes, type PictureFile } from './pictures'

/** See `faults.spec.ts`. */
const TOP_1 = 0.78

test('250 photos survive a reload, a second drop, a killed worker and a broken neighbour', async ({ page, house, folder }) => {
  const source = needs('MANYEYES_IMAGES_250')
  needs('MANYEYES_MODELS')
  const expected = await expectedClasses(source)
  const names = Object.keys(expected)
  for (const name of names) await copyFile(join(source, name), join(folder, name))
  const manager = await house.manager()
  const sent = countUploads(page)

  // Half of the folder arrives, and waits: there is no worker yet.
  await page.goto(manager.url)
  const quicken = await slowLink(page, { latencyMs: 5, bytesPerSecond: 2_000_000 })
  await drop(page, [folder])
  await expect(page.locator('[data-uploads=sending]')).toBeVisible()
  await expect(cards(page, 'waiting').first()).toBeVisible()
  await expect(page.locator('[data-notice=stuck]')).toBeVisible()
  await untilAtLeast(page, names.length / 2, 'waiting')

  page.once('dialog', (dialog) => void dialog.accept())
  await page.reload()
  await quicken()
  await expect(cards(page, 'waiting').first()).toBeVisible()
  const there = await settledTotal(page, manager)
  expect(there, 'the reload came too late').toBeLessThan(names.length)

  // Dropped again, only the rest is sent, and what is new in the folder.
  const [whole] = landscapes(1)
  await writeFile(join(folder, 'half.png'), (whole as PictureFile).buffer.subarray(0, 20_000))
  await writeFile(join(folder, 'letter.jpg'), 'Dear picture, be one.')
  sent.length = 0
  await drop(page, [folder])
  await untilAtLeast(page, names.length + 2, 'total')
  // Its own button is called Cancel, and is there until the last file is looked at.
  await expect(page.locator('[data-uploads=idle]')).toBeVisible()
  expect(sent).toHaveLength(names.length + 2 - there)

  // A person takes one back, a worker dies with what it holds, and others go on.
  const unwanted = (await images(page))[3]?.id as string
  await select(page, [unwanted])
  const selection = page.getByRole('region', { name: 'Selected pictures' })
  await selection.getByRole('button', { name: 'Cancel', exact: true }).click()
  await expect(page.locator(`[data-image="${unwanted}"]`)).toHaveAttribute('data-state', 'cancelled')

  const grace = house.worker(manager, 'grace', { model: 'googlenet' })
  await untilAtLeast(page, 1, 'assigned')
  process.kill(grace, 'SIGSTOP')
  await expect(cards(page, 'assigned').first()).toBeVisible()
  process.kill(grace, 'SIGKILL')
  await expect(happening(page, 'lost', /grace .*[1-9]/)).toBeVisible()
  house.worker(manager, 'ada', { model: 'googlenet' })
  house.worker(manager, 'joan', { model: 'googlenet' })
  await expect(workerRow(page, 'ada')).toBeVisible()
  await untilDone(page)

  // Every image has ended once, as page and books say alike.
  expect(await counts(page)).toEqual({
    total: names.length + 2,
    waiting: 0,
    assigned: 0,
    recognised: names.length - 1,
    failed: 1,
    rejected: 1,
    cancelled: 1,
  })
  const classes = await topClasses(page)
  const right = Object.keys(classes).filter((name) => classes[name] === expected[name])
  expect(right.length / names.length).toBeGreaterThanOrEqual(TOP_1)
  const shown = await readCards(page, names.length + 2)
  for (const { id, name, state, labels } of await images(page)) {
    expect(shown.get(id), name).toEqual({ state, top: labels[0]?.index ?? -1 })
  }

  const csv = await exported(page, 'csv')
  expect(csv).toBe(await (await fetch(`${batchUrl(page)}/export.csv`)).text())
  expect(csv.trim().split('\n')).toHaveLength(names.length + 3)
  const json = JSON.parse(await exported(page, 'json')) as Uploaded
  expect(json.images).toEqual(await images(page))
})

/** The uploads that the page asks for from now on. */
function countUploads(page: Page): Request[] {
  const sent: Request[] = []
  page.on('request', (request) => {
    if (request.method() === 'POST' && /\/images\?/.test(request.url())) sent.push(request)
  })
  return sent
}

/** How many images the batch has once what a reload has cut off is over: no upload is left, and the number stays. */
async function settledTotal(page: Page, { url }: Manager): Promise<number> {
  const metrics = async () => (await fetch(`${url}/metrics`)).text()
  await expect.poll(metrics).toMatch(/^manyeyes_uploads 0$/m)
  let last = -1
  await expect
    .poll(async () => {
      const before = last
      last = (await counts(page)).total
      return last === before
    })
    .toBe(true)
  return last
}

/** Exports the batch by the page's link, and reads the file. */
async function exported(page: Page, format: 'csv' | 'json'): Promise<string> {
  const download = page.waitForEvent('download')
  await page.locator(`[data-export=${format}]`).click()
  return readFile(await (await download).path(), 'utf8')
}
