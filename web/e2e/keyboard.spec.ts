/** The whole way without a mouse, and the page in another language. */

import { expect, type Page } from '@playwright/test'
import { images, untilAtLeast } from './books'
import { choose, openWithWorkers, speak, untilDone } from './gestures'
import { test } from './manager'
import { landscapes } from './pictures'

/** A person who has pressed Tab so often gives up. */
const TABS = 30

test('pictures are chosen, walked through, opened and closed by keys alone', async ({ page, house }) => {
  const manager = await house.up()
  await openWithWorkers(page, manager.url, 3)

  // Waited for before the way to the button: the browser may be told of it later than of a key that is pressed at once, and
  // then shows its own dialog, which nobody sees.
  const chooser = page.waitForEvent('filechooser')
  await tabTo(page, 'button, input[type=file]', /^choose pictures/i)
  await page.keyboard.press('Enter')
  await (await chooser).setFiles(landscapes(8))
  await untilAtLeast(page, 8, 'recognised')
  await untilDone(page)
  const all = await images(page)
  const ids = all.map(({ id }) => id)

  await tabTo(page, '[data-image], [data-image] *')
  await expectFocusOn(page, ids[0])
  await page.keyboard.press('ArrowRight')
  await expectFocusOn(page, ids[1])
  await page.keyboard.press('Control+End')
  await expectFocusOn(page, ids[7])
  await page.keyboard.press('Control+Home')
  await page.keyboard.press('ArrowRight')

  await page.keyboard.press('Enter')
  const lightbox = page.getByRole('dialog')
  await expect(lightbox).toContainText(all[1]?.name as string)
  await page.keyboard.press('ArrowRight')
  await expect(lightbox).toContainText(all[2]?.name as string)
  await page.keyboard.press('Escape')
  await expect(lightbox).toHaveCount(0)
  await expectFocusOn(page, ids[2])
})

test('in Chinese the page says all of its own in Chinese, after a reload too', async ({ page, house }) => {
  const manager = await house.up()
  await openWithWorkers(page, manager.url, 3)
  await speak(page, 'zh')
  await choose(page, landscapes(2))
  await untilDone(page)
  await page.reload()
  await untilDone(page)

  await expect(page.locator('html')).toHaveAttribute('lang', /^zh/)
  // Labels are the model's words.
  const labels = (await images(page)).flatMap((image) => image.labels.map(({ name }) => name))
  const words = (await ownText(page)).match(/[a-z]{3,}/gi) ?? []
  expect(words.filter((word) => !ALIKE.test(word) && !labels.includes(word))).toEqual([])
})

/** What is written in Latin letters in every language. */
const ALIKE = /^(manyeyes|worker|RTT|CSV|JSON|SHA|GoogLeNet|JPEG|PNG|WebP|GIF|BMP|MiB|Mbit|morning|dunes)$/i

/** The visible text of the page, without what says that it is of another language, or to be typed as it is. */
async function ownText(page: Page): Promise<string> {
  return page.locator('body').evaluate((body: HTMLElement) => {
    const own = document.createTreeWalker(body, NodeFilter.SHOW_TEXT)
    const texts: string[] = []
    for (let text = own.nextNode(); text !== null; text = own.nextNode()) {
      const place = text.parentElement
      if (place?.closest('body [lang], code') === null && place.checkVisibility()) texts.push(text.textContent ?? '')
    }
    return texts.join('\n')
  })
}

/** Presses Tab until something of that kind, and of that name, has the focus. */
async function tabTo(page: Page, selector: string, name?: RegExp): Promise<void> {
  for (let pressed = 0; pressed < TABS; pressed += 1) {
    await page.keyboard.press('Tab')
    const focused = page.locator(':focus')
    if ((await focused.count()) === 0) continue
    const words = (await focused.getAttribute('aria-label')) ?? (await focused.innerText())
    if ((await focused.and(page.locator(selector)).count()) > 0 && (name === undefined || name.test(words.trim()))) return
  }
  throw new Error(`Tab does not lead to ${selector} of the name ${name}.`)
}

/**
 * Waits until the card of that image has the focus, or holds what has it. A dialog is out of sight before the browser tells the
 * page that it was closed, and until then the focus is where the browser itself puts it.
 */
async function expectFocusOn(page: Page, id: string | undefined): Promise<void> {
  const focused = () =>
    page.evaluate(() => document.activeElement?.closest<HTMLElement>('[data-image]')?.dataset.image ?? null)
  await expect.poll(focused).toBe(id)
}
