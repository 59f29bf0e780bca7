/** The page's promises when processes die, stop and come back in the middle of a batch. */

import { join } from 'node:path'
import { expect } from '@playwright/test'
import type { Image } from '../src/protocol'
import { batchUrl, counts, images, topClasses, untilAtLeast } from './books'
import { slowLink, drop } from './devtools'
import { cards, choose, happening, openWithWorkers, readCards, untilDone, workerRow } from './gestures'
import { needs, test } from './manager'
import { expectedClasses } from './photos'
import { landscapes } from './pictures'

/** GoogLeNet's top-1 on the 250 photos with Pillow and another engine is 0.788: less than this is a wrong answer. */
const TOP_1 = 0.78

/** A page that hears nothing takes its manager for lost after 15 s; this is how long a test waits for that. */
const SILENCE_MS = 30_000

test('with one worker killed and one stopped half way, 250 photos are answered once each', async ({ page, house }) => {
  const folder = needs('MANYEYES_IMAGES_250')
  needs('MANYEYES_MODELS')
  const expected = await expectedClasses(folder)
  const names = Object.keys(expected)
  const up = await house.up({ model: 'googlenet' })
  await openWithWorkers(page, up.url, 3)
  await drop(page, names.map((name) => join(folder, name)))
  await untilAtLeast(page, names.length / 2, 'recognised')

  const workers = await up.workers()
  const [killed, stopped] = [workers.get('worker-1') as number, workers.get('worker-2') as number]
  process.kill(killed, 'SIGKILL')
  await whileStopped([stopped], async () => {
    expect((await counts(page)).recognised, 'the faults came too late').toBeLessThan(names.length)
    await expect(happening(page, 'lost', 'worker-1')).toBeVisible()
    await expect(happening(page, 'silent', 'worker-2')).toBeVisible()
    await expect(workerRow(page, 'worker-2')).toHaveAttribute('data-state', 'silent')
    await untilDone(page)
    await expect(workerRow(page, 'worker-1')).toHaveAttribute('data-state', /idle|busy/)
  })
  await expect(happening(page, 'back', 'worker-2')).toBeVisible()

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
    await untilAtLeast(page, names.length + more.length, 'recognised')
    const by = (await images(page)).slice(-more.length).map(({ worker }) => worker)
    expect(by).toEqual(more.map(() => 'worker-2'))
  })
})

test('a manager that crashes amid uploads is missed, and page and workers resume when it is back', async ({ page, house }) => {
  const pictures = landscapes(80)
  const first = await house.manager()
  house.worker(first, 'ada')
  house.worker(first, 'grace')
  await openWithWorkers(page, first.url, 2)
  await slowLink(page, { latencyMs: 20, bytesPerSecond: 400_000 })
  await choose(page, pictures)
  await untilAtLeast(page, 10, 'recognised')
  expect((await counts(page)).total, 'the crash comes too late').toBeLessThan(pictures.length)

  await first.crash()
  await expect(page.locator('[data-notice=unreachable]')).toBeVisible()
  await expect(page.locator('[data-connection=lost]')).toBeVisible()
  await expect(cards(page, 'recognised').first()).toBeVisible()
  await expect(page.locator('[data-done=true]')).toHaveCount(0)

  await house.manager({ listen: new URL(first.url).host, workerListen: first.workerAddress })
  await expect(page.locator('[data-notice=unreachable]')).toHaveCount(0, { timeout: 30_000 })
  await untilDone(page)
  for (const name of ['ada', 'grace']) await expect(workerRow(page, name)).toHaveAttribute('data-state', 'idle')

  // The books agree: uploads whose answer the crash has swallowed were repeated, and made no second image.
  expect(await counts(page)).toMatchObject({ total: pictures.length, recognised: pictures.length })
  const classes = await topClasses(page)
  expect(Object.keys(classes).toSorted()).toEqual(pictures.map(({ name }) => name).toSorted())
  const shown = await readCards(page, pictures.length)
  expect([...shown.values()].every(({ state }) => state === 'recognised')).toBe(true)
})

test('a manager that falls silent is missed too, and forgiven when it speaks again', async ({ page, house }) => {
  const manager = await house.up()
  await openWithWorkers(page, manager.url, 3)
  await choose(page, landscapes(3))
  await untilDone(page)

  await whileStopped([manager.pid], async () => {
    await expect(page.locator('[data-notice=unreachable]')).toBeVisible({ timeout: SILENCE_MS })
    await expect(cards(page, 'recognised')).toHaveCount(3)
  })
  await expect(page.locator('[data-notice=unreachable]')).toHaveCount(0, { timeout: SILENCE_MS })
})

test('a worker that is killed is told of with what it held, and its images are answered by others', async ({ page, house }) => {
  const pictures = landscapes(12)
  const manager = await house.manager()
  // So slow that the one is in the midst of its images for sure when it dies. One that is stopped for that is found silent on a
  // slow machine, and one that is much slower than the others is helped out: neither would hold anything by then.
  house.worker(manager, 'ada', { serviceMs: 1_000 })
  const killed = house.worker(manager, 'grace', { serviceMs: 1_000 })
  await openWithWorkers(page, manager.url, 2)
  await choose(page, pictures)
  await untilAtLeast(page, 1, 'assigned')
  const isHeldByGrace = ({ state, worker }: Image) => state === 'assigned' && worker === 'grace'
  await expect.poll(async () => (await images(page)).some(isHeldByGrace), { intervals: [50] }).toBe(true)

  process.kill(killed, 'SIGKILL')

  await expect(happening(page, 'lost', /grace .*[1-9]\d* (image|picture)/)).toBeVisible()
  await untilDone(page)
  expect(await counts(page)).toMatchObject({ total: pictures.length, recognised: pictures.length })
})

test('two pages of one batch see the same, whichever of them was asked', async ({ page, context, house }) => {
  const manager = await house.up()
  await openWithWorkers(page, manager.url, 3)
  await choose(page, landscapes(6))
  await expect.poll(() => new URL(page.url()).hash).not.toBe('')
  const other = await context.newPage()
  await other.goto(page.url())
  await choose(other, landscapes(12).slice(6))

  await untilAtLeast(page, 12, 'recognised')
  const deleted = (await images(page))[0]?.id as string
  const answer = await fetch(`${batchUrl(page)}/images/${deleted}`, { method: 'DELETE' })
  expect(answer.status).toBe(204)

  for (const one of [page, other]) {
    await expect(one.locator(`[data-image="${deleted}"]`)).toHaveCount(0)
    await untilDone(one)
  }
  expect(await readCards(page, 11)).toEqual(await readCards(other, 11))
  const words = (one: typeof page) => one.locator('[data-done=true]').textContent()
  expect(await words(page)).toBe(await words(other))
})

/** Stops processes as a debugger or a frozen machine would, for as long as `what` takes. */
async function whileStopped(processes: number[], what: () => Promise<void>): Promise<void> {
  for (const one of processes) process.kill(one, 'SIGSTOP')
  try {
    await what()
  } finally {
    for (const one of processes) process.kill(one, 'SIGCONT')
  }
}
