/** How long to wait before trying again. Chance is a parameter, so that a test can say what it is. */

/** How waits grow. */
export interface Backoff {
  /** The longest first wait. */
  readonly firstMs: number
  /** No wait is longer, however often it has failed. */
  readonly longestMs: number
}

/**
 * The wait before try number `failures + 1`, doubling with each failure. Half of it is left to `chance` (0..1), so that
 * the pages that one restart of the manager has cut off do not all come back in the same moment. It is never shorter than
 * what the manager asked for, and as much as half of that longer: those that it has refused together were asked the same.
 */
export function waitMs(backoff: Backoff, failures: number, chance: number, askedMs: number | null = null): number {
  const full = Math.min(backoff.longestMs, backoff.firstMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(Math.max(full * (0.5 + chance / 2), (askedMs ?? 0) * (1 + chance / 2)))
}

/** Reads a `Retry-After` header (RFC 9110, 10.2.3: seconds or a date) into milliseconds from `nowMs` (Unix time). */
export function retryAfterMs(header: string | null, nowMs: number): number | null {
  if (header === null) return null
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs)
}
