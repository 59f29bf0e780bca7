/**
 * How long things take in the browser: printed, and judged by a person. Times depend on the machine and on what else it
 * does, so that no test fails on them. `npm run figures` measures; `MANYEYES_BIN` names a release build.
 */

import { expect } from '@playwright/test'
import { untilAtLeast } from './books'
import { drop, memory, tasksDuring, weigh, withSlowCpu, type Task } from './devtools'
import { openWithWorkers, untilDone, wheelThrough } from './gestures'
import { test } from './manager'
import { writeTinyPictures } from './pictures'

const MANY = 10_000

/** How often a page is loaded for one figure: the first load of a browser also warms it up. */
const LOADS = 5

test('loading the empty page', async ({ page, house }) => {
  const manager = await house.manager()
  const load = await weigh(page, async () => {
    await page.goto(manager.url, { waitUntil: 'networkidle' })
  })
  tell(`page weight: ${(load.bytes / 1000).toFixed(1)} kB on the wire, in ${load.requests} requests`)

  const paints: number[] = []
  for (let at = 0; at < LOADS; at += 1) {
    await withSlowCpu(page, 4, async () => {
      await page.goto(manager.url, { waitUntil: 'networkidle' })
    })
    paints.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN))
  }
  tell(`first contentful paint with the processor 4 times as slow: ${spread(paints)} ms`)
})

test('10,000 pictures', async ({ page, house, folder }) => {
  test.setTimeout(900_000)
  await writeTinyPictures(folder, MANY)
  const manager = await house.up({ workers: 2 })
  await openWithWorkers(page, manager.url, 2)
  const empty = await memory(page)

  const began = Date.now()
  const uploading = await tasksDuring(page, async () => {
    await drop(page, [folder])
    await untilAtLeast(page, MANY, 'total', { within: 600_000 })
  })
  tell(`${MANY} uploaded in ${seconds(Date.now() - began)}; longest main-thread tasks meanwhile, and their processor time: ${longest(uploading)}`)
  await untilAtLeast(page, MANY, 'recognised', { within: 600_000 })
  await untilDone(page)
  tell(`all answered after ${seconds(Date.now() - began)}`)

  const uploaded = await memory(page)
  const scrolling = await tasksDuring(page, () => wheelThrough(page))
  tell(`longest main-thread tasks while scrolling over all of them: ${longest(scrolling)}`)
  const scrolled = await memory(page)
  tell(`DOM nodes: empty ${empty.nodes}, uploaded ${uploaded.nodes}, scrolled ${scrolled.nodes}`)
  tell(`JS heap: empty ${megabytes(empty)}, uploaded ${megabytes(uploaded)}, scrolled ${megabytes(scrolled)}`)
  expect(scrolling.length).toBeGreaterThan(0)
})

function tell(figure: string): void {
  process.stdout.write(`    ${figure}\n`)
}

function seconds(span: number): string {
  return `${(span / 1000).toFixed(1)} s`
}

function longest(tasks: readonly Task[]): string {
  const most = tasks.slice(0, 3).map(({ ms, processorMs }) => `${ms.toFixed(0)} (${processorMs.toFixed(0)})`)
  return `${most.join(', ')} ms`
}

function megabytes({ heapBytes }: { heapBytes: number }): string {
  return `${(heapBytes / 1e6).toFixed(1)} MB`
}

function spread(values: readonly number[]): string {
  const [low = NaN, ...others] = values.toSorted((a, b) => a - b)
  return `${low.toFixed(0)} to ${(others.at(-1) ?? low).toFixed(0)}`
}
