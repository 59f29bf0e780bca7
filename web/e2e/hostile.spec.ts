/** Files that would like to be more than pictures. */

import { expect, type Page } from '@playwright/test'
import { batchUrl, imageNamed, images, untilAtLeast } from './books'
import { choose, untilDone } from './gestures'
import { test } from './manager'
import { landscapes, type PictureFile } from './pictures'
import { watchPolicy } from './policy'

declare global {
  interface Window {
    /** Set by whatever manages to run. */
    hasRun?: boolean
  }
}

const MARKUP = '<script>window.hasRun = true</script><img src=x onerror="window.hasRun = true">'

test('a picture whose name, bytes or comment are markup and script runs nothing', async ({ page, house }) => {
  const manager = await house.up()
  const broken = await watchPolicy(page)
  const dialogs: string[] = []
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  await page.goto(manager.url)
  const [named] = landscapes(1) as [PictureFile]
  await choose(page, [
    { ...named, name: '<img src=x onerror="window.hasRun = true">.png' },
    { name: 'polyglot.jpg', mimeType: 'image/jpeg', buffer: await polyglot(page) },
    { name: 'drawing.svg', mimeType: 'image/svg+xml', buffer: Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg">${MARKUP}</svg>`) },
    { name: 'page.html', mimeType: 'text/html', buffer: Buffer.from(MARKUP) },
  ])
  await untilAtLeast(page, 2, 'recognised')
  await untilDone(page)

  // Seen small, seen large, and read as text.
  for (const { id } of await images(page)) await expect(page.locator(`[data-image="${id}"]`)).toBeVisible()
  await page.locator(`[data-image="${(await imageNamed(page, 'polyglot.jpg')).id}"] img`).click()
  await expect(page.getByRole('dialog')).toContainText('polyglot.jpg')
  expect(await page.evaluate(() => window.hasRun)).toBeUndefined()
  expect(dialogs).toEqual([])
  expect(await broken()).toEqual([])
})

test('a picture that is a page and a script as well is served as a picture only', async ({ page, house }) => {
  const manager = await house.up()
  await page.goto(manager.url)
  await choose(page, [{ name: 'polyglot.html', mimeType: 'text/html', buffer: await polyglot(page) }])
  await untilAtLeast(page, 1, 'recognised')
  const address = `${batchUrl(page)}/images/${(await imageNamed(page, 'polyglot.html')).id}/file`

  const answer = await page.request.get(address)
  expect(answer.headers()).toMatchObject({ 'content-type': 'image/jpeg', 'x-content-type-options': 'nosniff' })
  expect((await answer.body()).toString('latin1'), 'it is what was uploaded').toContain(MARKUP)

  // As a script of the page itself, which its policy would allow.
  const loaded = await page.evaluate(async (source) => {
    const script = Object.assign(document.createElement('script'), { src: source })
    const ended = new Promise<string>((tell) => {
      script.onload = () => tell('loaded')
      script.onerror = () => tell('refused')
    })
    document.head.append(script)
    return ended
  }, address)
  expect(loaded).toBe('refused')

  // And by itself.
  await page.goto(address)
  expect(await page.evaluate(() => document.contentType)).toBe('image/jpeg')
  expect(await page.evaluate(() => window.hasRun)).toBeUndefined()
})

/** A JPEG that a browser would take for a page, were it told that it is one: its comment is markup. */
async function polyglot(page: Page): Promise<Buffer> {
  const base64 = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 })
    canvas.getContext('2d')?.fillRect(0, 0, 20, 48)
    return canvas.toDataURL('image/jpeg').split(',')[1] ?? ''
  })
  const jpeg = Buffer.from(base64, 'base64')
  const comment = Buffer.from(MARKUP, 'latin1')
  const head = Buffer.from([0xff, 0xfe, 0, 0])
  head.writeUInt16BE(comment.length + 2, 2)
  return Buffer.concat([jpeg.subarray(0, 2), head, comment, jpeg.subarray(2)])
}
