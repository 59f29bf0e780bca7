/** One picture: its card, and the large view of it. */

import { lightbox } from './lightbox'

export const picture = {
  card: {
    unsure: (label: string) => `Not sure: ${label}`,
    select: (name: string) => `Select ${name}`,
    retry: 'Try again',
    retryOf: (name: string) => `Try again: ${name}`,
  },
  lightbox,
}
