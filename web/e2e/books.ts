/**
 * What the manager's books say of the batch that a page shows. A page has cards only for what is on the screen, so that
 * whatever is true of a whole batch is asked here.
 */

import type { Page } from '@playwright/test'
import { expect } from '@playwright/test'
import type { BatchPage, Counts, Image } from '../src/protocol'

/** As many images as the manager tells at once. */
const AT_ONCE = 1000

/** Where the batch that the page shows is, at its manager. */
export function batchUrl(page: Page): string {
  const { origin, hash } = new URL(page.url())
  if (hash === '') throw new Error('The page shows no batch yet.')
  return `${origin}/api/v1/batches/${hash.slice(1)}`
}

/** How many images of the batch are in each state. All zero while there is no batch. */
export async function counts(page: Page): Promise<Counts> {
  if (new URL(page.url()).hash === '') return { ...NOTHING }
  return (await read(batchUrl(page), 1, null)).counts
}

/** All images of the batch, in the order of their upload. */
export async function images(page: Page): Promise<Image[]> {
  const all: Image[] = []
  for (;;) {
    const { images: some, more } = await read(batchUrl(page), AT_ONCE, all.at(-1)?.id ?? null)
    all.push(...some)
    if (!more) return all
  }
}

/** The one image of that name. */
export async function imageNamed(page: Page, name: string): Promise<Image> {
  const [found, ...others] = (await images(page)).filter((image) => image.name === name)
  if (found === undefined || others.length > 0) throw new Error(`The batch has not one image of the name ${name}.`)
  return found
}

/** The most probable class of each image that was recognised, by its name. Fails where two have one name. */
export async function topClasses(page: Page): Promise<Record<string, number>> {
  const recognised = (await images(page)).filter(({ state }) => state === 'recognised')
  const classes = Object.fromEntries(recognised.map(({ name, labels }) => [name, labels[0]?.index ?? -1]))
  if (Object.keys(classes).length !== recognised.length) throw new Error('Two images have one name.')
  return classes
}

/** Waits for at least so many images in a state. */
export async function untilAtLeast(
  page: Page,
  count: number,
  state: keyof Counts,
  { within = 60_000 }: { within?: number } = {},
): Promise<void> {
  await expect
    .poll(async () => (await counts(page))[state], { timeout: within, intervals: [50] })
    .toBeGreaterThanOrEqual(count)
}

const NOTHING: Counts = { total: 0, waiting: 0, assigned: 0, recognised: 0, failed: 0, rejected: 0, cancelled: 0 }

async function read(batch: string, limit: number, after: string | null): Promise<BatchPage> {
  const answer = await fetch(`${batch}?limit=${limit}${after === null ? '' : `&after=${after}`}`)
  if (!answer.ok) throw new Error(`The manager answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as BatchPage
}
