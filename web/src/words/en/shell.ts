/** The page as a whole: its top, its empty, loading, ended and offline states, its notices. */

import type { Problem } from '../../protocol'
import { shared } from './shared'

export const shell = {
  newBatch: 'New batch',

  /** What a page without pictures says of the manager's workers. */
  ready: (workers: number) =>
    workers === 0 ? 'No worker is connected yet. Pictures wait until one is.' : `${shared.workers(workers)} ready`,

  /** Why a batch cannot be shown, and what to do about it. */
  ended({ code, message }: Problem): { title: string; why: string; hint: string } {
    switch (code) {
      case 'gone':
        return { title: 'This batch is gone', why: 'It was deleted, or it has expired.', hint: '' }
      case 'no_such_batch':
        return {
          title: 'There is no such batch',
          why: 'It was deleted, it has expired, or its address is not complete.',
          hint: '',
        }
      case 'token_needed':
        return {
          title: 'This page needs its token',
          why: 'The manager answers only to those who know its token.',
          hint: 'Open the whole address that the manager prints when it starts: the token is its last part.',
        }
      default:
        return { title: 'This batch cannot be shown', why: shared.problem({ code, message }), hint: '' }
    }
  },
}
