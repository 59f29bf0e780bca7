/** Numbers, sizes, times, and how images and workers stand: what every part of the page says alike. */

import type { Image, Label, WorkerState } from '../../protocol'

const plain = new Intl.NumberFormat('en')

export const shared = {
  number: (value: number) => plain.format(value),
  pictures: (count: number) => counted(count, 'picture'),
  files: (count: number) => counted(count, 'file'),
  workers: (count: number) => counted(count, 'worker'),

  /** A probability. What is not quite certain is never shown as 100 %. */
  percent(probability: number): string {
    const value = probability * 100
    if (value > 99.9 && value < 100) return '> 99.9 %'
    if (value > 0 && value < 0.1) return '< 0.1 %'
    return `${value === 100 ? 100 : value.toFixed(1)} %`
  },

  /** A time span, from milliseconds. */
  milliseconds(span: number): string {
    if (span < 10) return `${span.toFixed(1)} ms`
    if (span < 1000) return `${Math.round(span)} ms`
    return shared.seconds(span / 1000)
  },

  /** A time span, from seconds. */
  seconds(span: number): string {
    if (span < 60) return `${span.toFixed(1)} s`
    const whole = Math.round(span)
    return `${Math.floor(whole / 60)} min ${whole % 60} s`
  },

  /** A time span that ticks by the second. */
  wholeSeconds(span: number): string {
    const whole = Math.round(span)
    return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
  },

  fileSize(bytes: number): string {
    if (bytes < 1000) return `${bytes} B`
    if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`
    return `${(bytes / 1_000_000).toFixed(1)} MB`
  },

  imageRate: (perSecond: number) => `${perSecond.toFixed(perSecond >= 100 ? 0 : 1)} images/s`,
  bitRate: (bitsPerSecond: number) => `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`,

  /** The name that people use for a class: ImageNet's names list their synonyms after commas. */
  label: (label: Label) => label.name.split(',')[0]?.trim() || label.name,

  /** The state of an image. */
  imageState(image: Image): string {
    switch (image.state) {
      case 'waiting':
        return image.attempts > 0 ? 'waiting again' : 'waiting'
      case 'assigned':
        return `on ${image.worker ?? 'a worker'}`
      case 'recognised':
        return recognised(image)
      case 'failed':
        return 'failed'
      case 'rejected':
        return 'not accepted'
      case 'cancelled':
        return 'cancelled'
    }
  },

  workerState(state: WorkerState): string {
    const words: Record<WorkerState, string> = {
      idle: 'idle',
      busy: 'busy',
      draining: 'finishing',
      setaside: 'set aside',
      silent: 'not answering',
      gone: 'gone',
    }
    return words[state]
  },

  /**
   * What is wrong, as a sentence. The manager's own words are used: English is its language. Other languages say what they
   * know of `code`. What the page finds itself has no words of the manager.
   */
  problem({ code, message }: { code: string; message: string }): string {
    switch (code) {
      case 'unreachable':
        return 'The manager cannot be reached.'
      case 'aborted':
        return 'The upload was stopped.'
      case 'token_needed':
        return 'A token is needed.'
      case 'unknown':
        return `Something went wrong: ${ended(message)}`
      default:
        return sentence(message)
    }
  },

  /** What somebody says, as a sentence whose beginning stays: it may be the name of a file or of a worker. */
  asSaid: (message: string) => ended(message),
}

function counted(count: number, noun: string): string {
  return `${plain.format(count)} ${noun}${count === 1 ? '' : 's'}`
}

function recognised(image: Image): string {
  const by = image.worker ? ` by ${image.worker}` : ''
  // The worker's own time. All of the rest is waiting, which says nothing of this picture.
  const { decoding, inference } = image.timing_ms
  const took = decoding === null && inference === null ? '' : ` in ${shared.milliseconds((decoding ?? 0) + (inference ?? 0))}`
  return `recognised${by}${took}`
}

/** The manager's messages are fragments that begin small. */
function sentence(message: string): string {
  const text = ended(message)
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function ended(message: string): string {
  const text = message.trim()
  return text === '' || /[.!?…]$/.test(text) ? text : `${text}.`
}
