/** The large view of one picture. */

import type { Image } from '../../protocol'
import type { PartName } from '../../rules/timeline'
import { shared } from './shared'

const PARTS: Record<PartName, string> = {
  upload: 'Upload',
  waiting: 'Waiting',
  sending: 'Sending',
  receive: 'Receiving',
  worker_queue: 'Worker queue',
  decoding: 'Decoding',
  inference: 'Inference',
  returning: 'Returning',
  rest: 'Not known in detail',
}

const EXPLAINED: Record<PartName, string> = {
  upload: 'From the first byte of the upload until the manager has it safe',
  waiting: 'At the manager, until a worker took it',
  sending: 'On the way to the worker',
  receive: 'From the first byte to the last at the worker',
  worker_queue: 'At the worker, until it had time',
  decoding: 'From the bytes of the file to the input of the model',
  inference: 'The run of the model',
  returning: 'On the way back: half the round trip',
  rest: 'The total less the parts that are known',
}

export const lightbox = {
  /** The picture's place, for the eye. */
  place: (place: number, total: number) => `${shared.number(place)} / ${shared.number(total)}`,
  /** What is said aloud when a picture is turned to. */
  turned: (place: number | null, total: number, name: string) =>
    place === null ? name : `${shared.number(place)} of ${shared.number(total)}: ${name}`,
  close: 'Close',
  previous: 'Previous picture',
  next: 'Next picture',
  photo: (name: string) => `The picture ${name}`,

  loading: 'The whole picture is loading',
  smallOnly: 'This browser cannot show the file itself. This is its small picture.',
  noPhoto: 'There is no picture to show',
  noPhotoWhy: 'The file cannot be read as a picture, or it could not be fetched.',
  deleted: 'This picture was deleted',
  deletedWhy: 'Here, or by somebody else who has this batch open.',

  notSure: 'Not sure',
  notSureWhy: (probability: number, threshold: number) =>
    `Its best guess has ${shared.percent(probability)}, less than the ${shared.percent(threshold)} that you ask for.`,
  answers: 'Most probable',
  awaited: 'The answer appears here as soon as it is known.',
  noAnswer: 'Nobody answers this picture any more.',

  facts: 'Facts',
  state: 'State',
  size: 'Size',
  sent: 'Recognised from',
  smallerForm: (bytes: number) => `a smaller form, ${shared.fileSize(bytes)}`,
  dimensions: 'Dimensions',
  pixels: (width: number, height: number) => `${shared.number(width)} × ${shared.number(height)}`,
  type: 'Type',
  worker: 'Worker',
  model: 'Model',
  attempts: 'Attempts',
  attemptsExplained: 'How often it was given to a worker',
  /** The type of a file, short. */
  typeOf: (image: Image) => image.media_type?.replace(/^image\//, '').toUpperCase() ?? null,

  timeline: {
    title: 'Where its time went',
    part: 'Part',
    time: 'Time in ms',
    total: 'Total',
    partName: (name: PartName) => PARTS[name],
    explained: (name: PartName) => EXPLAINED[name],
    /** Tenths of a millisecond. */
    tenths: (tenths: number) => `${shared.number(Math.floor(tenths / 10))}.${tenths % 10}`,
    ms: 'ms',
    unknown: '–',
    unknownExplained: 'Not known',
  },

  wire: {
    title: 'What the wire carried',
    sent: 'Sent',
    sentExplained: 'Bytes of the file that were sent to the worker, those that were sent again among them',
    resent: 'Sent again',
    resentExplained: 'Its share of what the connection sent again while it was under way',
    share: (size: string, share: number) => (share === 0 ? size : `${size} (${shared.percent(share)})`),
    rtt: 'Round trip',
    rttExplained: "The connection's smoothed round trip when the answer came",
    window: 'Window',
    windowExplained: 'How much the connection let be under way at a time',
    delivery: 'Delivered',
    deliveryExplained: 'The rate at which the path was last found to deliver; less than it could where there was no more to send',
  },

  original: 'Original file',
  runAgain: 'Run again',
  delete: 'Delete',
  deleteForGood: 'Delete it for good?',
  keep: 'Keep',
}
