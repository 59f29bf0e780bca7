/**
 * The page's pictures for the documentation: `npm run screens` takes them all into `docs/screens/`, and a person looks at
 * them. What they show is drawn by the project itself.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, type Page } from '@playwright/test'
import { speak } from './gestures'
import { needs, test } from './manager'
import { viewNamed } from './views'

const DOCS = join(import.meta.dirname, '../../docs')

const DESKTOP = { width: 1280, height: 860 }
const PHONE = { width: 390, height: 844 }

interface Picture {
  /** The view, and the file's name where nothing follows. */
  readonly view: string
  readonly dark?: true
  readonly phone?: true
  readonly language?: string
}

const PICTURES: readonly Picture[] = [
  { view: 'empty' },
  { view: 'progress' },
  { view: 'done' },
  { view: 'done', dark: true },
  { view: 'done', phone: true },
  { view: 'done', language: 'zh' },
  { view: 'selection' },
  { view: 'lightbox' },
  { view: 'upload-failures' },
  { view: 'offline', dark: true },
]

for (const { view, dark, phone, language } of PICTURES) {
  const name = [view, dark && 'dark', phone && 'phone', language].filter(Boolean).join('-')
  test(name, async ({ page, house }) => {
    needs('MANYEYES_MODELS')
    await mkdir(join(DOCS, 'screens'), { recursive: true })
    await page.setViewportSize(phone ? PHONE : DESKTOP)
    await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce' })
    await viewNamed(view).show({ page, house, model: 'googlenet' })
    if (language) await speak(page, language)
    await untilPainted(page)
    await page.screenshot({ path: join(DOCS, 'screens', `${name}.jpg`), type: 'jpeg', quality: 88, animations: 'disabled' })
    // The README's.
    if (name === 'done') await page.screenshot({ path: join(DOCS, 'screenshot.png'), animations: 'disabled' })
  })
}

/** Every picture on the screen has arrived, and the curve, if there is one, has begun: it ends a second ago. */
async function untilPainted(page: Page): Promise<void> {
  const rate = page.locator('.throughput strong:visible')
  if ((await rate.count()) > 0) await expect(rate).toHaveText(/\d/)
  const arriving = page.locator('img:visible')
  await expect
    .poll(() => arriving.evaluateAll((all) => all.every((image) => (image as HTMLImageElement).complete)))
    .toBe(true)
}
