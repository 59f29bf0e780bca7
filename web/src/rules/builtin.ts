/**
 * The model that is part of the program, and why it serves. The manager says that in one English sentence
 * (`crates/vision/src/builtin.rs`); what it is made of is read here, so that it can be said in every language.
 */

/** What the manager calls it. */
export const BUILTIN = 'builtin'

/** Why it serves: somebody chose it, or GoogLeNet could not be had. */
export interface BuiltinReason {
  readonly why: 'chosen' | 'absent' | 'damaged'
  /** What came of the download; null where none was tried. */
  readonly download: 'no_network' | 'no_source' | 'failed' | null
  /** What came of it in the manager's own words. */
  readonly detail: string | null
}

/** Null where the sentence is not one that this page knows. */
export function builtinReasonOf(notice: string): BuiltinReason | null {
  if (notice.includes('as it was asked for')) return { why: 'chosen', download: null, detail: null }
  const [, what, download] = /Why: \S+ is (not on this machine|damaged in the cache)(?:; (.+?))?\. To get /.exec(notice) ?? []
  if (what === undefined) return null
  return {
    why: what.startsWith('not') ? 'absent' : 'damaged',
    download: download === undefined ? null : outcomeOf(download),
    detail: download ?? null,
  }
}

function outcomeOf(download: string): BuiltinReason['download'] {
  if (download.startsWith('no network')) return 'no_network'
  return download.startsWith('no source') ? 'no_source' : 'failed'
}
