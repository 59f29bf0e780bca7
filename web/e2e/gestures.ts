/** What a person does on the page, and what they read there. */

import type { Locator, Page } from '@playwright/test'
import type { PictureFile } from './pictures'

/** Chooses files, as with the button. */
export async function choose(page: Page, files: string[] | PictureFile[]): Promise<void> {
  await page.locator('input[type=file]').setInputFiles(files)
}

/** Drops files and folders of this computer on the page, as the browser is told of them by a desktop. */
export async function drop(page: Page, paths: string[]): Promise<void> {
  const desktop = await page.context().newCDPSession(page)
  const data = { items: [], files: paths, dragOperationsMask: 1 }
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await desktop.send('Input.dispatchDragEvent', { type, x: 200, y: 200, data })
  }
  await desktop.detach()
}

/** The cards of images in a state. */
export function cards(page: Page, state: string): Locator {
  return page.locator(`[data-image][data-state=${state}]`)
}

/** The row of a worker. */
export function workerRow(page: Page, name: string): Locator {
  return page.locator(`[data-worker="${name}"]`)
}

/** What the page has to say of workers. */
export function news(page: Page, words: string | RegExp): Locator {
  return page.locator('[data-notice^=news]').filter({ hasText: words })
}

/** The most probable class of each card, by the card's file name. Fails when two cards are of one file. */
export async function topClasses(page: Page): Promise<Record<string, number>> {
  const found = await page.locator('[data-image]').evaluateAll((all) =>
    all.map((card): [string, number] => [
      card.querySelector('h2')?.textContent ?? '',
      Number(card.querySelector<HTMLElement>('.top-five li')?.dataset.index),
    ]),
  )
  const classes = Object.fromEntries(found)
  if (Object.keys(classes).length !== found.length) throw new Error('A file has two cards.')
  return classes
}
