/** The page's promises when processes die, stop and come back in the middle of a batch. */

import { join } from 'node:path'
import { expect, type Page } from '@playwright/test'
import type { BatchPage } from '../src/protocol'
import { cards, choose, drop, news, topClasses, workerRow } from './gestures'
import { needs, test, type Manager } from './manager'
import { expectedClasses } from './photos'
import { landscapes } from './pictures'

/** GoogLeNet's top-1 on the 250 photos with Pillow and another engine is 0.788: less than this is a wrong answer. */
const TOP_1 = 0.78

test('with one worker killed and one stopped half way, 250 photos are answered once each', async ({ page, house }) => {
  const folder = needs('MANYEYES_IMAGES_250')
  needs('MANYEYES_MODELS')
  const expected = await expectedClasses(folder)
  const names = Object.keys(expected)
  const up = await house.up()
  await withWorkers(page, up, 3)
  await drop(page, names.map((name) => join(folder, name)))
  await untilRecognised(page, names.length / 2)

  const workers = await up.workers()
  const [killed, stopped] = [workers.get('worker-1') as number, workers.get('worker-2') as number]
  process.kill(killed, 'SIGKILL')
  await whileStopped([stopped], async () => {
    expect(await cards(page, 'recognised').count(), 'the faults came too late').toBeLessThan(names.length)
    await expect(news(page, /worker-1 was lost/)).toBeVisible()
    await expect(news(page, /worker-2 does not answer/)).toBeVisible()
    await expect(workerRow(page, 'worker-2')).toHaveAttribute('data-state', 'silent')
    await expect(cards(page, 'recognised')).toHaveCount(names.length, { timeout: 60_000 })
    await expect(workerRow(page, 'worker-1')).toHaveAttribute('data-state', /idle|busy/)
  })
  await expect(news(page, /worker-2 is back/)).toBeVisible()

  const classes = await topClasses(page)
  expect(Object.keys(classes).toSorted()).toEqual(names.toSorted())
  const right = names.filter((name) => classes[name] === expected[name])
  expect(right.length / names.length).toBeGreaterThanOrEqual(TOP_1)

  // The one that was stopped works again, not only looks as if: now it is alone.
  const now = await up.workers()
  expect(now.get('worker-1')).not.toBe(killed)
  const others = [now.get('worker-1') as number, now.get('worker-3') as number]
  await whileStopped(others, async () => {
    const more = landscapes(3)
    await choose(page, more)
    for (const { name } of more) {
      await expect(page.locator('.card', { hasText: name })).toContainText('recognised by worker-2')
    }
  })
})

test('a manager that crashes is missed, and page and workers resume when it is back', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const pictures = landscapes(80)
  const first = await house.manager()
  house.worker(first, 'ada')
  house.worker(first, 'grace')
  await withWorkers(page, first, 2)
  await choose(page, pictures)
  await untilRecognised(page, 10)

  await first.crash()
  await expect(page.locator('[data-notice=unreachable]')).toBeVisible()
  await expect(page.locator('[data-connection=lost]')).toBeVisible()
  expect(await cards(page, 'recognised').count(), 'the crash came too late').toBeLessThan(pictures.length)

  const second = await house.manager({ listen: new URL(first.url).host, workerListen: first.workerAddress })
  await expect(page.locator('[data-notice=unreachable]')).toHaveCount(0, { timeout: 30_000 })
  await expect(cards(page, 'recognised')).toHaveCount(pictures.length, { timeout: 60_000 })
  await expect(page.locator('.card')).toHaveCount(pictures.length)
  expect(Object.keys(await topClasses(page)).toSorted()).toEqual(pictures.map(({ name }) => name).toSorted())
  for (const name of ['ada', 'grace']) await expect(workerRow(page, name)).toHaveAttribute('data-state', 'idle')

  // The books agree: uploads whose answer the crash has swallowed were repeated, and made no second image.
  const batch = new URL(page.url()).hash.slice(1)
  const books = (await (await fetch(`${second.url}/api/v1/batches/${batch}`)).json()) as BatchPage
  expect(books.counts).toMatchObject({ total: pictures.length, recognised: pictures.length })
})

test('a worker that is killed is told of, and its images are answered by others', async ({ page, house }) => {
  needs('MANYEYES_MODELS')
  const pictures = landscapes(30)
  const up = await house.up()
  await withWorkers(page, up, 3)
  await choose(page, pictures)
  await untilRecognised(page, 1)

  process.kill((await up.workers()).get('worker-2') as number, 'SIGKILL')

  await expect(news(page, /worker-2 was lost/)).toBeVisible()
  await expect(cards(page, 'recognised')).toHaveCount(pictures.length, { timeout: 60_000 })
})

/** Opens the page, and waits until so many workers have joined: a fault should hit one that is there. */
async function withWorkers(page: Page, manager: Manager, count: number): Promise<void> {
  await page.goto(manager.url)
  await expect(page.getByText(`${count} workers ready`)).toBeVisible()
}

/** Waits for at least so many answers. */
async function untilRecognised(page: Page, count: number): Promise<void> {
  await expect.poll(() => cards(page, 'recognised').count(), { timeout: 60_000, intervals: [50] }).toBeGreaterThanOrEqual(count)
}

/** Stops processes as a debugger or a frozen machine would, for as long as `what` takes. */
async function whileStopped(processes: number[], what: () => Promise<void>): Promise<void> {
  for (const one of processes) process.kill(one, 'SIGSTOP')
  try {
    await what()
  } finally {
    for (const one of processes) process.kill(one, 'SIGCONT')
  }
}
