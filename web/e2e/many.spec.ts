/** Ten thousand pictures from one folder: all are answered, and the page stays as light as it was. */

import { expect } from '@playwright/test'
import { counts, untilAtLeast } from './books'
import { drop, memory } from './devtools'
import { openWithWorkers, readCards, untilDone } from './gestures'
import { test } from './manager'
import { writeTinyPictures } from './pictures'

const MANY = 10_000

/** The most nodes that the page may have, whatever it shows. */
const NODES = 3_000

/** What the heap may grow by once everything is there. A page that keeps a little for each card that it has shown would pass it. */
const GROWTH_BYTES = 5_000_000

test('10,000 pictures are all answered, on fewer than 3,000 nodes, and scrolling keeps nothing', async ({ page, house, folder }) => {
  test.setTimeout(1_200_000)
  await writeTinyPictures(folder, MANY)
  const manager = await house.up({ workers: 2 })
  await openWithWorkers(page, manager.url, 2)

  await drop(page, [folder])
  await untilAtLeast(page, MANY / 2, 'recognised', { within: 300_000 })
  expect((await memory(page)).nodes).toBeLessThan(NODES)
  await untilAtLeast(page, MANY, 'recognised', { within: 300_000 })
  await untilDone(page)
  expect(await counts(page)).toMatchObject({ total: MANY, recognised: MANY })

  const before = await memory(page)
  await readCards(page, MANY)
  const after = await memory(page)
  expect(before.nodes).toBeLessThan(NODES)
  expect(after.nodes).toBeLessThan(NODES)
  expect(after.heapBytes - before.heapBytes).toBeLessThan(GROWTH_BYTES)
})
