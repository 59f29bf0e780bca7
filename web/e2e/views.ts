/** Every view of the page, and how a person comes to it: for the tests that look at all of them, and for their pictures. */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, type Page } from '@playwright/test'
import { images, untilAtLeast } from './books'
import { dragOver, slowLink } from './devtools'
import { cards, choose, openWithWorkers, select, untilDone, withNewerManager } from './gestures'
import type { House, Manager } from './manager'
import { landscapes } from './pictures'

/** Where a view is to be shown. */
interface Place {
  readonly page: Page
  readonly house: House
  /** Which model answers; the built-in one where it is not said. */
  readonly model?: string | undefined
}

/** A view by its name, which is the file of its picture too. */
export interface View {
  readonly name: string
  show(place: Place): Promise<void>
}

const SAMPLES = join(import.meta.dirname, '../public/samples')

export const VIEWS: readonly View[] = [
  {
    name: 'empty',
    async show({ page, house, model }) {
      await openWithWorkers(page, (await house.up({ model })).url, 3)
    },
  },
  {
    name: 'dragging',
    async show({ page, house, model }) {
      await openWithWorkers(page, (await house.up({ model })).url, 3)
      await dragOver(page, [import.meta.filename])
    },
  },
  {
    name: 'trying',
    async show({ page, house, model }) {
      await openWithWorkers(page, (await house.up({ model })).url, 3)
      await page.getByRole('button', { name: /try it|sample/i }).first().click()
      await untilAtLeast(page, (await samplePictures()).length, 'recognised')
      await untilDone(page)
    },
  },
  {
    name: 'progress',
    async show({ page, house, model }) {
      await openWithWorkers(page, (await house.up({ model })).url, 3)
      await slowLink(page, { latencyMs: 20, bytesPerSecond: 60_000 })
      await choose(page, landscapes(60))
      await untilAtLeast(page, 6, 'recognised')
    },
  },
  {
    name: 'done',
    async show(place) {
      await showDone(place)
    },
  },
  {
    name: 'grouped',
    async show(place) {
      await showDone(place)
      await place.page.getByLabel(/group/i).click()
    },
  },
  {
    name: 'nothing-found',
    async show(place) {
      await showDone(place)
      await place.page.getByRole('searchbox').fill('no picture is called this')
      await expect(place.page.locator('[data-image]')).toHaveCount(0)
    },
  },
  { name: 'selection', show: showSelection },
  {
    name: 'deleting',
    async show(place) {
      await showSelection(place)
      await place.page.getByRole('button', { name: /delete/i }).first().click()
      await expect(place.page.getByRole('dialog').or(place.page.getByRole('alertdialog'))).toBeVisible()
    },
  },
  {
    name: 'lightbox',
    async show(place) {
      await showDone(place)
      await cards(place.page, 'recognised').nth(1).click()
      await expect(place.page.getByRole('dialog')).toBeVisible()
    },
  },
  {
    name: 'upload-failures',
    async show({ page, house, model }) {
      await page.route(/name=dunes-2\.png/, (route) =>
        route.fulfill({ status: 400, json: { error: { code: 'bad_request', message: 'the body breaks off' } } }),
      )
      await openWithWorkers(page, (await house.up({ model })).url, 3)
      await choose(page, landscapes(5))
      await untilAtLeast(page, 4, 'recognised')
      await expect(page.locator('[data-uploads]')).toContainText('dunes-2.png')
    },
  },
  {
    name: 'offline',
    async show(place) {
      const manager = await showDone(place)
      await manager.crash()
      await expect(place.page.locator('[data-notice=unreachable]')).toBeVisible()
    },
  },
  {
    name: 'ended',
    async show({ page, house }) {
      await page.goto(`${(await house.manager()).url}/#2Jn8yQwErTzUiOpAsDfGhK`)
      await expect(page.getByRole('heading', { name: /no such batch/i })).toBeVisible()
    },
  },
  {
    name: 'login',
    async show({ page, house }) {
      await page.goto((await house.manager({ listen: '0.0.0.0:0' })).url.replace(/0\.0\.0\.0(.*)#.*/, '127.0.0.1$1'))
      await page.locator('[data-login] input[type=password]').fill('guess')
      await page.keyboard.press('Enter')
      await expect(page.locator('[data-login] [role=alert]')).not.toBeEmpty()
    },
  },
  {
    name: 'turned-away',
    async show({ page, house }) {
      const manager = await house.manager({ listen: '0.0.0.0:0' })
      house.worker(manager, 'ada')
      const token = await house.token('uploader')
      await page.goto(manager.url.replace(/0\.0\.0\.0(.*)=.*/, `127.0.0.1$1=${token.token}`))
      await choose(page, landscapes(2))
      await untilDone(page)
      await house.revoke(token)
      await expect(page.locator('[data-login] [role=alert]')).not.toBeEmpty()
    },
  },
  {
    name: 'outdated',
    async show({ page, house }) {
      const manager = await house.manager()
      await withNewerManager(page)
      await page.goto(manager.url)
      await choose(page, landscapes(2))
      await expect(page.locator('[data-notice=outdated]')).toBeVisible()
    },
  },
]

/** The view of that name. */
export function viewNamed(name: string): View {
  const view = VIEWS.find((one) => one.name === name)
  if (view === undefined) throw new Error(`There is no view of the name ${name}.`)
  return view
}

async function showDone({ page, house, model }: Place): Promise<Manager> {
  const manager = await house.up({ model })
  await openWithWorkers(page, manager.url, 3)
  const samples = await samplePictures()
  await choose(page, samples)
  await untilAtLeast(page, samples.length, 'recognised')
  await untilDone(page)
  return manager
}

/** The pictures that the page offers to try it with. */
async function samplePictures(): Promise<string[]> {
  const names = (await readdir(SAMPLES)).filter((name) => name.endsWith('.jpg'))
  return names.toSorted().map((name) => join(SAMPLES, name))
}

async function showSelection(place: Place): Promise<void> {
  await showDone(place)
  const [first, , third] = await images(place.page)
  await select(place.page, [first?.id as string, third?.id as string])
}
