/** Pictures that are drawn here, for everything that is shown or kept: photos of others are neither. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32, deflateSync, type ZlibOptions } from 'node:zlib'

/** A file for a file input. */
export interface PictureFile {
  name: string
  mimeType: string
  buffer: Buffer
}

type Colour = readonly [red: number, green: number, blue: number]

const WIDTH = 360
const HEIGHT = 270

/** The side of the smallest pictures. */
const TINY = 24

const NAMES = ['morning', 'dunes', 'harbour', 'dusk', 'forest', 'snowfield', 'meadow', 'night', 'reef', 'canyon', 'lake', 'storm']

/** Sky above, sky below, far hills, near hills, sun. */
const PALETTES: readonly (readonly [Colour, Colour, Colour, Colour, Colour])[] = [
  [[252, 196, 148], [255, 236, 210], [142, 124, 160], [72, 84, 112], [255, 248, 226]],
  [[120, 176, 214], [238, 226, 196], [226, 178, 120], [196, 132, 84], [255, 250, 232]],
  [[86, 148, 190], [196, 224, 232], [58, 112, 140], [24, 70, 98], [255, 255, 244]],
  [[62, 54, 104], [238, 138, 110], [88, 60, 104], [44, 34, 66], [255, 214, 150]],
  [[172, 206, 202], [232, 240, 222], [104, 150, 116], [46, 92, 72], [255, 255, 240]],
  [[164, 190, 220], [240, 244, 250], [204, 218, 234], [232, 238, 246], [255, 252, 240]],
  [[126, 190, 226], [226, 242, 238], [148, 190, 108], [92, 148, 70], [255, 246, 196]],
  [[14, 20, 48], [46, 58, 104], [26, 34, 70], [12, 16, 36], [244, 240, 220]],
]

/** `count` landscapes, all different, the same ones every time. */
export function landscapes(count: number): PictureFile[] {
  return Array.from({ length: count }, (_, number) => ({
    name: `${NAMES[number % NAMES.length]}-${number + 1}.png`,
    mimeType: 'image/png',
    buffer: landscape(number),
  }))
}

/**
 * Writes `count` tiny pictures of a few hundred bytes into a folder, all different, the same ones every time: thousands are
 * made in a second or two.
 */
export async function writeTinyPictures(folder: string, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    await writeFile(join(folder, `tiny-${String(number + 1).padStart(5, '0')}.png`), tinyPicture(number))
  }
}

/** A picture of so many bytes and a little more: noise, which does not get smaller. */
export function heavyPicture(name: string, bytes: number): PictureFile {
  const side = Math.ceil(Math.sqrt(bytes / 3))
  const chance = sequence(bytes)
  const noise = Uint8Array.from({ length: 4096 }, () => 256 * chance())
  const pixel = (x: number, y: number): Colour => {
    const at = (x * 7 + y * 1009) % 4094
    return [noise[at] ?? 0, noise[at + 1] ?? 0, noise[at + 2] ?? 0]
  }
  return { name, mimeType: 'image/png', buffer: png(side, side, pixel, { level: 0 }) }
}

/** A hill before a sky: what a landscape is in 24 pixels. */
function tinyPicture(number: number): Buffer {
  const [top, low, , near] = PALETTES[number % PALETTES.length] as (typeof PALETTES)[number]
  // The number is in the hill's line and in one pixel, so that no two are the same.
  const mark: Colour = [number & 255, number >> 8, 128]
  return png(TINY, TINY, (x, y) => {
    if (x === 0 && y === 0) return mark
    const crest = TINY * (0.55 + 0.2 * Math.sin(x / 5 + number))
    return y < crest ? mix(top, low, Math.round((4 * y) / TINY) / 4) : near
  })
}

/** One landscape: sky, sun, and three ranges of hills that darken towards us. */
function landscape(number: number): Buffer {
  const [top, low, far, near, sun] = PALETTES[number % PALETTES.length] as (typeof PALETTES)[number]
  const chance = sequence(number + 1)
  const horizon = HEIGHT * (0.5 + 0.15 * chance())
  const sunX = WIDTH * (0.15 + 0.7 * chance())
  const sunY = horizon * (0.3 + 0.5 * chance())
  const sunRadius = 14 + 16 * chance()
  const ranges = [0, 0.5, 1].map((depth) => ({
    colour: mix(far, near, depth),
    base: horizon + (HEIGHT - horizon) * (0.1 + 0.42 * depth),
    waves: Array.from({ length: 4 }, (_, wave) => ({
      length: (110 + 150 * chance()) / (wave + 1),
      height: (18 + 14 * chance()) / (wave + 1),
      shift: 7 * chance(),
    })),
  }))

  return png(WIDTH, HEIGHT, (x, y) => {
    let colour = mix(top, low, Math.min(1, y / horizon))
    const away = Math.hypot(x - sunX, y - sunY) - sunRadius
    colour = mix(colour, sun, away < 0 ? 1 : 0.35 * Math.exp(-away / 28))
    for (const { colour: own, base, waves } of ranges) {
      const crest = base - waves.reduce((sum, wave) => sum + wave.height * Math.sin(x / wave.length * 6.3 + wave.shift), 0)
      const cover = Math.min(1, Math.max(0, y - crest))
      colour = mix(colour, mix(own, [0, 0, 0], Math.max(0, y - crest) / 700), cover)
    }
    return colour
  })
}

function mix(a: Colour, b: Colour, share: number): Colour {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share]
}

/** Numbers of 0..1 that look random and are the same every time (a linear congruential generator). */
function sequence(seed: number): () => number {
  let state = seed * 7919
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

/** A PNG of 8-bit RGB without filters (PNG specification, sections 5 and 11). */
function png(width: number, height: number, pixel: (x: number, y: number) => Colour, options: ZlibOptions = {}): Buffer {
  const rows = Buffer.alloc(height * (1 + width * 3))
  for (let y = 0, at = 0; y < height; y += 1) {
    at += 1
    for (let x = 0; x < width; x += 1) {
      for (const channel of pixel(x, y)) rows[at++] = Math.round(channel)
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows, options)), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}
