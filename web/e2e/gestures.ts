/** What a person does on the page, and what they read there. */

import { expect, type Locator, type Page } from '@playwright/test'
import type { PictureFile } from './pictures'

/** Chooses files, as with the button. */
export async function choose(page: Page, files: string[] | PictureFile[]): Promise<void> {
  await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(files)
}

/**
 * Makes the page older than its manager: what the manager says of the page that it serves now is changed on its way.
 * Gives what makes the page, once it is loaded again, as new as its manager.
 */
export async function withNewerManager(page: Page): Promise<() => void> {
  let isNewer = true
  await page.routeWebSocket(/\/events/, (socket) => {
    const digest = isNewer ? '"page":"0123456789abcdef"' : '$&'
    socket.connectToServer().onMessage((message) => {
      socket.send(String(message).replace(/"page":"[^"]*"/, digest))
    })
  })
  return () => {
    isNewer = false
  }
}

/** Makes the page speak a language, by its tag, as with the choice at its top. */
export async function speak(page: Page, tag: string): Promise<void> {
  await page.locator('select:has(option[value=zh])').selectOption(tag)
}

/** The cards of images in a state, of those on the screen. */
export function cards(page: Page, state: string): Locator {
  return page.locator(`[data-image][data-state=${state}]`)
}

/** Selects images by the mark on their cards, which shows when a pointer is over one. */
export async function select(page: Page, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const card = page.locator(`[data-image="${id}"]`)
    await card.hover()
    await card.getByRole('checkbox').click()
  }
}

/** The row of a worker. */
export function workerRow(page: Page, name: string): Locator {
  return page.locator(`[data-worker="${name}"]`)
}

/** What the page says has happened to workers. */
export function happening(page: Page, kind: string, words: string | RegExp): Locator {
  return page.locator(`[data-happening=${kind}]`).filter({ hasText: words })
}

/** Opens a page of the manager, and waits until so many workers have joined: whatever is dropped finds them there. */
export async function openWithWorkers(page: Page, url: string, count: number): Promise<void> {
  await page.goto(url)
  await expect(page.getByText(`${count} workers ready`)).toBeVisible()
}

/** Waits until the page says that every picture has ended. */
export async function untilDone(page: Page, { within = 60_000 }: { within?: number } = {}): Promise<void> {
  await expect(page.locator('[data-done=true]')).toBeVisible({ timeout: within })
}

/** What a card says of its image. */
export interface Card {
  readonly state: string
  /** The most probable class; -1 while there is none. */
  readonly top: number
}

/** How long each card may take to be read: a frame for a screen of them, on a machine that draws without a graphics card. */
const CARD_WITHIN_MS = 50

/**
 * A frame that takes longer never comes. Headless Chromium on a busy machine stops drawing for good once in thousands of
 * frames, while the page is alive, says that it is visible, and answers.
 */
const FRAME_WITHIN_MS = 10_000

/**
 * Reads every card by its image: scrolls from the first to the last, as there are only those on the screen. A pass that was
 * faster than the page is followed by another.
 */
export async function readCards(page: Page, count: number): Promise<Map<string, Card>> {
  const read = new Map<string, Card>()
  await expect
    .poll(
      async () => {
        for (const [id, card] of await passOverCards(page)) read.set(id, card)
        return read.size
      },
      { timeout: 60_000 + CARD_WITHIN_MS * count },
    )
    .toBe(count)
  return read
}

/** Turns the wheel until the page moves no further. */
export async function wheelThrough(page: Page): Promise<void> {
  await page.evaluate(() => window.scrollTo(0, 0))
  const { width, height } = page.viewportSize() ?? { width: 1280, height: 720 }
  await page.mouse.move(width / 3, height / 2)
  for (;;) {
    await page.mouse.wheel(0, 2 * height)
    const isAtEnd = await page.evaluate(
      () => new Promise<boolean>((tell) => requestAnimationFrame(() =>
        tell(window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 1),
      )),
    )
    if (isAtEnd) return
  }
}

async function passOverCards(page: Page): Promise<[string, Card][]> {
  return page.evaluate(async (frameWithinMs) => {
    const cards = new Map<string, Card>()
    let isDrawing = true
    /** A browser tells of scrolling in the next frame, before it asks who wants to draw in it. One that draws no more tells nobody. */
    async function scrolled(): Promise<void> {
      if (isDrawing) {
        isDrawing = await new Promise<boolean>((tell) => {
          const late = setTimeout(() => tell(false), frameWithinMs)
          requestAnimationFrame(() => {
            clearTimeout(late)
            tell(true)
          })
        })
      }
      if (isDrawing) return
      window.dispatchEvent(new Event('scroll'))
      await new Promise((tell) => setTimeout(tell))
    }
    window.scrollTo(0, 0)
    for (let before = -1; window.scrollY > before; ) {
      await scrolled()
      for (const card of document.querySelectorAll<HTMLElement>('[data-image]')) {
        const { image = '', state = '', top } = card.dataset
        cards.set(image, { state, top: top ? Number(top) : -1 })
      }
      before = window.scrollY
      window.scrollBy(0, window.innerHeight * 0.8)
    }
    return [...cards]
  }, FRAME_WITHIN_MS)
}
