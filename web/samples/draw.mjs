/**
 * Draws the sample pictures of the page's "Try it" into `public/samples/`, and all of them small, side by side in one
 * file, for the page to show before any is asked for: `npm run samples`, after a change of a scene. They are kept in git,
 * since a build has no browser. `CHROMIUM` names the browser, as for the browser tests.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { chromium } from '@playwright/test'
import { HEIGHT, WIDTH } from './pen.mjs'
import { scenes } from './scenes.mjs'

/** So that all of them together are sent within seconds over slow links too. */
const LARGEST_BYTES = 25_000
const JPEG_QUALITY = 82

/** As sharp as a screen with two pixels to a point shows a tile 104 points wide. */
const TILE_WIDTH = 208
const TILE_HEIGHT = (TILE_WIDTH * HEIGHT) / WIDTH
const TILES_QUALITY = 0.62

const folder = resolve(process.argv[2] ?? join(import.meta.dirname, '../public/samples'))
await mkdir(folder, { recursive: true })
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // Root in a container has no sandbox; what is drawn is our own.
  args: ['--no-sandbox', '--disable-gpu'],
})
const page = await browser.newPage({ viewport: { width: WIDTH, height: HEIGHT } })
const pictures = []
for (const [name, scene] of Object.entries(scenes)) {
  const { defs, body } = scene()
  const size = `width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}"`
  await page.setContent(`<body style="margin:0"><svg xmlns="http://www.w3.org/2000/svg" ${size}><defs>${defs}</defs>${body}</svg>`)
  const picture = await page.screenshot({ type: 'jpeg', quality: JPEG_QUALITY })
  if (picture.length > LARGEST_BYTES) throw new Error(`${name}.jpg has ${picture.length} bytes, more than ${LARGEST_BYTES}`)
  await writeFile(join(folder, `${name}.jpg`), picture)
  pictures.push(`data:image/jpeg;base64,${picture.toString('base64')}`)
}
await writeFile(join(folder, 'tiles.webp'), Buffer.from(await page.evaluate(tilesOf, [pictures, TILE_WIDTH, TILE_HEIGHT, TILES_QUALITY]), 'base64'))
await browser.close()

/** Runs in the browser. */
async function tilesOf([sources, width, height, quality]) {
  const canvas = Object.assign(document.createElement('canvas'), { width: width * sources.length, height })
  const pen = canvas.getContext('2d')
  pen.imageSmoothingQuality = 'high'
  for (const [index, src] of sources.entries()) {
    const image = Object.assign(new Image(), { src })
    await image.decode()
    pen.drawImage(image, index * width, 0, width, height)
  }
  return canvas.toDataURL('image/webp', quality).split(',')[1]
}
