/** What a role may do here. What may not be done is not offered; the manager refuses it all the same. */

import type { SessionRole } from '../protocol'

/** What may be done. */
export interface May {
  /** Make a batch, and send pictures. */
  readonly upload: boolean
  /** Have images run again, or take them back. */
  readonly change: boolean
  /** Delete images. */
  readonly remove: boolean
  /** See the workers, and what happens to them. */
  readonly seeWorkers: boolean
}

/** All of it: where nobody asks. */
export const EVERYTHING: May = { upload: true, change: true, remove: true, seeWorkers: true }

/**
 * Null: the manager has not said yet. Pictures are taken all the same, as a drop that nobody takes is lost, and the browser leaves
 * the page for it. If they may not be sent they wait for a token.
 */
export function mayOf(role: SessionRole | null): May {
  if (role === null) return { upload: true, change: false, remove: false, seeWorkers: false }
  const uploads = role === 'uploader' || role === 'operator'
  const operates = role === 'operator'
  return { upload: uploads, change: uploads, remove: operates, seeWorkers: operates }
}
