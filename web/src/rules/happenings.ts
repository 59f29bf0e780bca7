/** What happened to workers: which of it is bad, which of it is new, and how long ago it was. */

import type { Happening, HappeningKind } from '../protocol'
import type { Tone } from './state'

/** What happened longer ago was heard of, or is of no use to hear. */
const NEW_WITHIN_MS = 15_000

/** How a happening stands. */
export function happeningTone(kind: HappeningKind): Tone {
  const tones: Record<HappeningKind, Tone> = {
    joined: 'quiet',
    left: 'quiet',
    lost: 'bad',
    silent: 'bad',
    back: 'good',
    refused: 'bad',
    setaside: 'bad',
    restored: 'good',
  }
  return tones[kind]
}

/**
 * The bad ones of `now` that were not among `before`, newest last. A manager that has started anew counts from 1 again,
 * so a happening is known by more than its number.
 */
export function newTroubles(before: readonly Happening[], now: readonly Happening[]): Happening[] {
  const known = new Set(before.map(nameOf))
  return now.filter(
    (one) => happeningTone(one.kind) === 'bad' && one.ago_ms <= NEW_WITHIN_MS && !known.has(nameOf(one)),
  )
}

/** A name that no other happening on the page has. */
export function nameOf({ seq, kind, worker }: Happening): string {
  return `${seq} ${kind} ${worker}`
}

/** How long ago something was, in the unit that a person would say. */
export interface Age {
  readonly unit: 'now' | 'seconds' | 'minutes'
  readonly count: number
}

/** Seconds go by tens after the first ten, so that a list of them stays calm. */
export function ageOf(ms: number): Age {
  const seconds = Math.max(Math.floor(ms / 1000), 0)
  if (seconds < 5) return { unit: 'now', count: 0 }
  if (seconds < 10) return { unit: 'seconds', count: 5 }
  if (seconds < 60) return { unit: 'seconds', count: Math.floor(seconds / 10) * 10 }
  return { unit: 'minutes', count: Math.floor(seconds / 60) }
}
