/** How fast bytes go, from how many had gone at some moments. Time is a parameter. */

/** So much of the past counts: short enough to follow a link that changes, long enough not to flicker. */
export const WINDOW_MS = 8_000

/** Moments nearer to each other than this are taken as one. */
const APART_MS = 200

/** Nothing is said from less than this. */
const ENOUGH_MS = 1_000

/** A pace, and what it is made of. */
export interface Pace {
  /** So many bytes had gone at that moment. */
  note(nowMs: number, bytes: number): void
  /** Bytes per second; null while too little is known. */
  bytesPerS(): number | null
  /** What was, does not count any more: there was a pause. */
  forget(): void
}

/** Knows nothing yet. */
export function makePace(): Pace {
  let moments: { ms: number; bytes: number }[] = []
  return {
    note(ms, bytes) {
      const last = moments.at(-1)
      if (last !== undefined && moments.length > 1 && ms - (moments.at(-2)?.ms ?? 0) < APART_MS) {
        last.ms = ms
        last.bytes = bytes
        return
      }
      moments.push({ ms, bytes })
      while ((moments[1]?.ms ?? ms) < ms - WINDOW_MS) moments.shift()
    },
    bytesPerS() {
      const [first, last] = [moments[0], moments.at(-1)]
      if (first === undefined || last === undefined || last.ms - first.ms < ENOUGH_MS) return null
      // What a broken try had sent is taken back, and may make it fewer.
      return (Math.max(0, last.bytes - first.bytes) * 1000) / (last.ms - first.ms)
    },
    forget() {
      moments = []
    },
  }
}
