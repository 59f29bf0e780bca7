/** What everybody can read and use: every view in both languages, in light and dark, on a desktop and on a phone. */

import AxeBuilder from '@axe-core/playwright'
import { expect, type Page } from '@playwright/test'
import { speak } from './gestures'
import { test } from './manager'
import { watchPolicy } from './policy'
import { VIEWS } from './views'

const SIZES = [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
]

for (const view of VIEWS) {
  test(`the view "${view.name}" has no accessibility violations, and breaks no rule of its own`, async ({ page, house }) => {
    const broken = await watchPolicy(page)
    await view.show({ page, house })
    expect(await broken(), 'what the page must not do by its own policy').toEqual([])
    for (const language of ['en', 'zh']) {
      await speak(page, language)
      for (const size of SIZES) {
        await page.setViewportSize(size)
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
          expect(await violations(page), `${language}, ${size.width} wide, ${colorScheme}`).toEqual([])
        }
      }
    }
  })
}

/** What axe-core finds by all its rules, one line for each place. */
async function violations(page: Page): Promise<string[]> {
  const found = await new AxeBuilder({ page }).analyze()
  return found.violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary = '' }) =>
    `${id}: ${help}: ${target.join(' ')}: ${failureSummary.split('\n').slice(1).map((line) => line.trim()).join('; ')}`,
  ))
}
