/** Whether a page keeps to the Content-Security-Policy that its manager gives it. */

import type { Page } from '@playwright/test'

declare global {
  interface Window {
    /** What the browser has kept the page from doing, since it was loaded. */
    brokenPolicy?: string[]
  }
}

/** Watches every document that the page opens from here on. Gives what tells what the present one has tried in vain. */
export async function watchPolicy(page: Page): Promise<() => Promise<string[]>> {
  await page.addInitScript(() => {
    const broken: string[] = []
    window.brokenPolicy = broken
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile }) => {
      broken.push(`${violatedDirective}: ${blockedURI} in ${sourceFile}`)
    })
  })
  return () => page.evaluate(() => window.brokenPolicy ?? ['it was never watched'])
}
