/** Where an image's time went, as parts that add up as they are printed. */

import type { Timing } from '../protocol'

/** The parts in the order in which an image passes them. */
export const PARTS = [
  'upload',
  'waiting',
  'sending',
  'receive',
  'worker_queue',
  'decoding',
  'inference',
  'returning',
] as const satisfies readonly (keyof Timing)[]

/** A part of the time; `rest` is what the known parts leave of the total. */
export type PartName = (typeof PARTS)[number] | 'rest'

/** What an image did meanwhile, which decides the part's colour. */
export type PartKind = 'moving' | 'waiting' | 'working' | 'unknown'

/** A part, with the tenths of a millisecond that are printed for it. Null: not known. */
export interface Part {
  readonly name: PartName
  readonly kind: PartKind
  readonly tenths: number | null
}

/** The split of an image's time. */
export interface Split {
  readonly parts: readonly Part[]
  /** The sum of the parts, which is what the manager calls the total. */
  readonly totalTenths: number
}

const KINDS: Record<PartName, PartKind> = {
  upload: 'moving',
  waiting: 'waiting',
  sending: 'moving',
  receive: 'moving',
  worker_queue: 'waiting',
  decoding: 'working',
  inference: 'working',
  returning: 'moving',
  rest: 'unknown',
}

/** Splits the time of an image that has ended; null while its total is not known. */
export function splitOf(timing: Timing): Split | null {
  if (timing.total === null) return null
  const totalTenths = Math.round(timing.total * 10)
  const known = PARTS.flatMap((name) => timing[name] ?? [])
  const rest = timing.total - known.reduce((sum, ms) => sum + ms, 0)
  // Less than a printed tenth is the rounding of the parts, and no time of its own.
  const hasRest = known.length < PARTS.length && rest >= 0.1
  const names: PartName[] = hasRest ? [...PARTS, 'rest'] : [...PARTS]
  const exact = names.map((name) => (name === 'rest' ? rest : timing[name]))
  const rounded = roundedTo(totalTenths, exact)
  return { totalTenths, parts: names.map((name, index) => ({ name, kind: KINDS[name], tenths: rounded[index] ?? null })) }
}

/** Rounds milliseconds to tenths whose sum is `total`: those that lose most by rounding down are rounded up first. */
function roundedTo(total: number, exact: readonly (number | null)[]): (number | null)[] {
  const rounded = exact.map((ms) => (ms === null ? null : Math.floor(ms * 10)))
  const losses = exact
    .flatMap((ms, index) => (ms === null ? [] : [{ index, loss: ms * 10 - Math.floor(ms * 10) }]))
    .toSorted((a, b) => b.loss - a.loss)
  const missing = total - rounded.reduce<number>((sum, tenths) => sum + (tenths ?? 0), 0)
  // More is missing than rounding takes only where the manager's parts do not sum up: then the figures stay the manager's.
  if (missing < 0 || missing > losses.length) return exact.map((ms) => (ms === null ? null : Math.round(ms * 10)))
  for (const { index } of losses.slice(0, missing)) rounded[index] = (rounded[index] ?? 0) + 1
  return rounded
}
