/**
 * Which images of a batch are shown, and in what order: filter, search, sort and group. No state, no clock.
 *
 * It reads thousands of images several times a second, so what costs more than a comparison is worked out once for each
 * copy of an image and kept as long as that copy.
 */

import type { Image, ImageState, Label } from '../protocol'

/** How an image stands for a person: its state, but recognised with less confidence than asked for is `unsure`. */
export type Standing = ImageState | 'unsure'

/** What can be asked for. `uploading`: files that are no images yet. In the order in which it is offered. */
export const STATE_CHOICES = [
  'all',
  'uploading',
  'waiting',
  'assigned',
  'recognised',
  'unsure',
  'failed',
  'rejected',
  'cancelled',
] as const
export type StateChoice = (typeof STATE_CHOICES)[number]

/** The orders that can be asked for, in the order in which they are offered. What an image lacks puts it last. */
export const SORTS = ['oldest', 'newest', 'name', 'label', 'surest', 'least_sure', 'slowest', 'largest'] as const
export type Sort = (typeof SORTS)[number]

/** What a person has asked for. */
export interface ViewSettings {
  readonly state: StateChoice
  /** A class, as `labelKey` writes it; null for all. */
  readonly label: string | null
  readonly search: string
  readonly sort: Sort
  /** 0..1: recognised with less is not sure. */
  readonly threshold: number
  /** Whether images of one label stand together. */
  readonly grouped: boolean
}

/** Everything, as it was uploaded. */
export const EVERYTHING: ViewSettings = {
  state: 'all',
  label: null,
  search: '',
  sort: 'oldest',
  threshold: 0,
  grouped: false,
}

/** A file that is no image yet. */
export interface WaitingFile {
  readonly key: string
  readonly file: { readonly name: string }
}

/** A class, and how many images have it as their answer. */
export interface LabelCount {
  readonly key: string
  readonly label: Label
  readonly count: number
}

/** Images that stand together. `label` is null for those without a sure answer. */
export interface Group {
  /** A `labelKey`, or `unsure`, or `unlabelled`. */
  readonly key: string
  readonly label: Label | null
  readonly images: readonly string[]
}

/** What is shown. */
export interface View {
  /** The ids of the images, in the order shown; those of groups, group by group. */
  readonly order: readonly string[]
  /** Null unless grouping was asked for. The largest first, those without a sure answer last. */
  readonly groups: readonly Group[] | null
  /** The keys of the files on their way that are shown, in the order shown. */
  readonly files: readonly string[]
  /** Whether the files come before the images, because the newest do. */
  readonly filesFirst: boolean
  /** How many images each choice of a state would show, with label and search as they are. */
  readonly counts: Readonly<Record<StateChoice, number>>
  /** The classes that could be asked for, with state and search as they are: the most frequent first. */
  readonly labels: readonly LabelCount[]
}

/** How an image stands, with this threshold. */
export function standing(image: Image, threshold: number): Standing {
  return image.state === 'recognised' && confidence(image) < threshold ? 'unsure' : image.state
}

/** Tells classes apart: two of ImageNet's have the same name, and two models have different classes of one number. */
export function labelKey(label: Label): string {
  return `${label.index} ${label.name}`
}

/** Whether anything is hidden by what was asked for. */
export function isNarrowed(settings: ViewSettings): boolean {
  return settings.state !== 'all' || settings.label !== null || settings.search.trim() !== ''
}

/** Picks and orders. `images` are in upload order, `files` in the order in which they were chosen. */
export function arrange(images: readonly Image[], files: readonly WaitingFile[], settings: ViewSettings): View {
  const terms = fold(settings.search).split(/\s+/u).filter((term) => term !== '')
  const counts = Object.fromEntries(STATE_CHOICES.map((choice) => [choice, 0])) as Record<StateChoice, number>
  const labels = new Map<string, { key: string; label: Label; count: number }>()
  const shown: Image[] = []
  for (const image of images) {
    if (terms.length > 0 && !hasAll(searched(image), terms)) continue
    const stands = standing(image, settings.threshold)
    const isOfState = settings.state === 'all' || settings.state === stands
    const label = stands === 'recognised' ? image.labels[0] : undefined
    const key = label && labelKey(label)
    if (label && key !== undefined && isOfState) {
      const known = labels.get(key)
      if (known) known.count += 1
      else labels.set(key, { key, label, count: 1 })
    }
    if (settings.label !== null && settings.label !== key) continue
    counts.all += 1
    counts[stands] += 1
    if (isOfState) shown.push(image)
  }
  const sorted = sort(shown, settings.sort)
  const groups = settings.grouped ? group(sorted, settings.threshold) : null
  const waiting = settings.label === null ? files.filter((file) => hasAll(foldedName(file), terms)) : []
  counts.uploading = waiting.length
  const keys = settings.state === 'all' || settings.state === 'uploading' ? waiting.map((file) => file.key) : []
  const filesFirst = settings.sort === 'newest'
  return {
    order: groups ? groups.flatMap((one) => one.images) : sorted.map((image) => image.id),
    groups,
    files: filesFirst ? keys.reverse() : keys,
    filesFirst,
    counts,
    labels: [...labels.values()].sort((a, b) => b.count - a.count || compare(a.label.name, b.label.name)),
  }
}

/** Writes settings down for `readSettings`. */
export function writeSettings(settings: ViewSettings): string {
  return JSON.stringify(settings)
}

/** Reads what `writeSettings` wrote, or an older page did: what it cannot be is as if it had not been asked for. */
export function readSettings(text: string): ViewSettings {
  const read = parse(text)
  const { state, label, search, sort: order, threshold, grouped } = read
  return {
    state: STATE_CHOICES.find((choice) => choice === state) ?? EVERYTHING.state,
    label: typeof label === 'string' ? label : EVERYTHING.label,
    search: typeof search === 'string' ? search : EVERYTHING.search,
    sort: SORTS.find((choice) => choice === order) ?? EVERYTHING.sort,
    threshold: typeof threshold === 'number' && threshold >= 0 && threshold <= 1 ? threshold : EVERYTHING.threshold,
    grouped: typeof grouped === 'boolean' ? grouped : EVERYTHING.grouped,
  }
}

/** Text as it is compared: without case, accents and Arabic's vowel signs, and with wide characters made narrow. */
export function fold(text: string): string {
  return text.normalize('NFKD').replace(/[\u0300-\u036f\u064b-\u0652]/gu, '').toLowerCase()
}

/**
 * A text that sorts as a person counts: `img2` before `img10`. Each run of digits gets its length before it, which
 * compares numbers of any size as text.
 */
export function naturalKey(name: string): string {
  return fold(name).replace(/\d+/gu, (digits) => {
    const number = digits.replace(/^0+(?=\d)/u, '')
    return String.fromCharCode(0x30 + Math.min(number.length, 40)) + number
  })
}

function confidence(image: Image): number {
  return image.labels[0]?.probability ?? 0
}

function sort(images: Image[], by: Sort): Image[] {
  switch (by) {
    case 'oldest':
      return images
    case 'newest':
      return images.reverse()
    case 'name':
      return byText(images, sortedName)
    case 'label':
      return byText(images, (image) => (image.labels[0] ? fold(image.labels[0].name) : null))
    case 'surest':
      return byNumber(images, (image) => (image.labels[0] ? -image.labels[0].probability : null))
    case 'least_sure':
      return byNumber(images, (image) => image.labels[0]?.probability ?? null)
    case 'slowest':
      return byNumber(images, ({ timing_ms: { decoding, inference } }) =>
        decoding === null && inference === null ? null : -((decoding ?? 0) + (inference ?? 0)),
      )
    case 'largest':
      return byNumber(images, (image) => -image.bytes)
  }
}

function byNumber(images: readonly Image[], key: (image: Image) => number | null): Image[] {
  const keyed = images.map((image) => ({ image, key: key(image) ?? Number.POSITIVE_INFINITY }))
  // Infinity minus itself is no number, which `sort` takes for equal.
  return keyed.sort((a, b) => (a.key === b.key ? 0 : a.key - b.key)).map(({ image }) => image)
}

function byText(images: readonly Image[], key: (image: Image) => string | null): Image[] {
  const keyed = images.map((image) => ({ image, key: key(image) ?? '\uffff' }))
  return keyed.sort((a, b) => compare(a.key, b.key)).map(({ image }) => image)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function group(images: readonly Image[], threshold: number): Group[] {
  const groups = new Map<string, { key: string; label: Label | null; images: string[] }>()
  for (const image of images) {
    const stands = standing(image, threshold)
    const label = (stands === 'recognised' ? image.labels[0] : undefined) ?? null
    const key = label ? labelKey(label) : stands === 'unsure' ? 'unsure' : 'unlabelled'
    const known = groups.get(key)
    if (known) known.images.push(image.id)
    else groups.set(key, { key, label, images: [image.id] })
  }
  return [...groups.values()].sort(
    (a, b) =>
      Number(a.label === null) - Number(b.label === null) ||
      b.images.length - a.images.length ||
      compare(a.label?.name ?? a.key, b.label?.name ?? b.key),
  )
}

function hasAll(text: string, terms: readonly string[]): boolean {
  return terms.every((term) => text.includes(term))
}

const searchedTexts = new WeakMap<Image, string>()

/** The name and the answer. The other four classes would find nearly everything. */
function searched(image: Image): string {
  return once(searchedTexts, image, () => fold(`${image.name}\n${image.labels[0]?.name ?? ''}`))
}

const sortedNames = new WeakMap<Image, string>()

function sortedName(image: Image): string {
  return once(sortedNames, image, () => naturalKey(image.name))
}

const foldedNames = new WeakMap<WaitingFile, string>()

function foldedName(waiting: WaitingFile): string {
  return once(foldedNames, waiting, () => fold(waiting.file.name))
}

function once<Key extends object>(known: WeakMap<Key, string>, key: Key, work: () => string): string {
  const before = known.get(key)
  if (before !== undefined) return before
  const made = work()
  known.set(key, made)
  return made
}

function parse(text: string): Partial<Record<keyof ViewSettings, unknown>> {
  try {
    const read: unknown = JSON.parse(text)
    return typeof read === 'object' && read !== null ? read : {}
  } catch {
    return {}
  }
}
