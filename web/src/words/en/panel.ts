/** What happens beside the pictures: workers, throughput, model, happenings, exports. */

import type { Happening, ImageState, Throughput } from '../../protocol'
import type { Age } from '../../rules/happenings'
import type { Progress } from '../../rules/progress'
import type { RateFigures } from '../../rules/rates'
import { shared } from './shared'

export const panel = {
  title: 'Live',
  /** The one line of the closed panel on a phone. */
  digest: (workers: number | null, perSecond: number | null) =>
    [workers === null ? '' : shared.workers(workers), perSecond === null || perSecond === 0 ? '' : shared.imageRate(perSecond)]
      .filter((part) => part !== '')
      .join(' · '),

  progress: {
    title: 'Progress of the batch',
    bar: 'Pictures done',
    /** How far the batch is, or what became of it. */
    headline({ settled, total, recognised, isDone }: Progress): string {
      if (total === 0) return 'No pictures'
      if (!isDone) return `${shared.number(settled)} of ${shared.pictures(total)} done`
      if (recognised === total) return total === 1 ? 'The picture is recognised' : `All ${shared.pictures(total)} recognised`
      return `${shared.number(recognised)} of ${shared.pictures(total)} recognised`
    },
    tally(state: ImageState | 'uploading', count: number): string {
      const words: Record<ImageState | 'uploading', string> = {
        uploading: 'uploading',
        waiting: 'waiting',
        assigned: 'with workers',
        recognised: 'recognised',
        failed: 'failed',
        rejected: 'not accepted',
        cancelled: 'cancelled',
      }
      return `${shared.number(count)} ${words[state]}`
    },
    /** What the batch has achieved from its first upload to its last answer. */
    achieved: ({ images_per_s, file_bits_per_s, elapsed_s }: Throughput) =>
      `${shared.seconds(elapsed_s)} · ${shared.imageRate(images_per_s)} on average · ${shared.bitRate(file_bits_per_s)}`,
    achievedExplained: 'From the first upload to the last answer; bits of image files, not of what the network carried',
  },

  throughput: {
    title: 'Throughput',
    unit: 'images/s',
    explained: 'Answers to this batch a second. Each point is the mean of the five seconds before it.',
    rate: (perSecond: number) => perSecond.toFixed(perSecond >= 100 ? 0 : 1),
    ago: (seconds: number) => (seconds === 0 ? '' : `${seconds} s ago`),
    nothing: 'Nothing known yet: drawn from now on',
    twoMinutesAgo: '2 min ago',
    oneMinuteAgo: '1 min',
    now: 'now',
    /** The chart for who cannot see it. */
    said({ now, highest, mean }: RateFigures): string {
      if (highest === null || mean === null) return 'Nothing is known of the last two minutes yet.'
      if (highest === 0) return 'No answers in the last two minutes, as far as this page was open.'
      const current = now === null ? 'not known now' : `now ${shared.imageRate(now)}`
      return `Throughput of the last two minutes: ${current}, highest ${shared.imageRate(highest)}, mean ${shared.imageRate(mean)}.`
    },
  },

  queue: {
    title: 'Queue',
    explained: 'Unfinished images of all batches at this manager',
    waiting: 'Waiting',
    assigned: 'With workers',
    ofThisBatch: (count: number) => `${shared.number(count)} of this batch`,
  },

  workers: {
    title: 'Workers',
    none: 'None is connected.',
    name: 'Name',
    inFlight: 'In flight',
    inFlightExplained: 'Images that it has now and has not answered',
    rate: 'Images/s',
    rateExplained: 'Images a second, over the last ten seconds',
    rtt: 'RTT',
    rttExplained: 'Smoothed round trip between manager and worker',
    share: 'Share',
    shareExplained: 'Its share of all that these workers have answered',
    failures: (count: number) => `${shared.number(count)} failed`,
    sharePercent: (share: number) => `${Math.round(share * 100)} %`,
    more: 'More figures',
    answered: 'Answered',
    service: 'Service',
    serviceExplained: 'Smoothed time that an image takes at it: decoding and inference',
    sent: 'Sent',
    sentExplained: 'Bytes that the socket carried to it',
    received: 'Received',
    receivedExplained: 'Bytes that the socket carried from it',
    resent: 'Resent',
    resentExplained: 'TCP segments that were sent to it again; over QUIC packets that were held for lost',
    window: 'Window',
    windowExplained: 'How much its connection lets be under way at a time',
    unknown: '–',
  },

  happenings: {
    title: 'What happened',
    none: 'Nothing unusual in the last hour.',
    more: (count: number) => `${shared.number(count)} earlier`,
    happened({ kind, worker, images, detail }: Happening): string {
      switch (kind) {
        case 'joined':
          return `${worker} joined`
        case 'left':
          return `${worker} left${moved(images)}`
        case 'lost':
          return `${worker} was lost${moved(images)}`
        case 'silent':
          return `${worker} does not answer${moved(images)}`
        case 'back':
          return `${worker} is back`
        case 'refused':
          return `${worker} was turned away${detail ? `: ${detail}` : ''}`
        case 'setaside':
          return `${worker} was set aside${detail ? `: ${detail}` : ''}`
        case 'restored':
          return `${worker} is given images again`
      }
    },
    ago({ unit, count }: Age): string {
      if (unit === 'now') return 'just now'
      return unit === 'seconds' ? `${count} s ago` : `${count} min ago`
    },
  },

  model: {
    title: 'Model',
    unverified: 'unverified',
    verifiedExplained: 'The digest of the model file is one that this program knows.',
    unverifiedWhy: 'The digest of its file is not one that this program knows: it may be another model than its name says.',
    builtin: 'Built-in',
    /** What the built-in model can tell, short. */
    builtinClassCount: 'ten classes',
    /** The classes of the built-in model, in its own order. */
    builtinClasses: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
    builtinElse: 'A picture of anything else is still given one of these names.',
  },

  exports: {
    title: 'Export',
    csv: 'CSV',
    json: 'JSON',
    csvExplained: 'Download all results as a table (CSV)',
    jsonExplained: 'Download all results as JSON',
    unfinished: (count: number) =>
      `${shared.pictures(count)} ${count === 1 ? 'is' : 'are'} unfinished: a file made now holds what is known so far.`,
  },
}

function moved(images: number): string {
  if (images === 0) return ''
  return `; its ${shared.number(images)} ${images === 1 ? 'image' : 'images'} moved on to others`
}
