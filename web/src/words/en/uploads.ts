/** Files on their way: dropping, choosing, progress, pausing, and what was left out. */

import type { Problem } from '../../protocol'
import { shared } from './shared'

export const uploads = {
  zone: {
    label: 'Add pictures',
    title: 'Many eyes on your pictures',
    invitation: 'Drop pictures or whole folders here, or paste them. Each is recognised the moment a worker is free.',
    /** Where nothing can be dropped. */
    invitationToTouch: 'Each picture is recognised the moment a worker is free.',
    more: 'Drop more pictures anywhere on this page, or paste them.',
    letGo: 'Let go, and they are on their way',
    choosePictures: 'Choose pictures',
    chooseFolder: 'Choose a folder',
    formats: 'JPEG, PNG, WebP, GIF and BMP, up to 32 MiB each',
  },

  panel: {
    label: 'Uploads',
    looking: (files: number) => `Looking through the folder … ${shared.files(files)}`,
    checking: (files: number) => `Comparing ${shared.files(files)} with those that are here already …`,
    sending: (done: number, files: number) => `Sending ${shared.number(done)} of ${shared.files(files)}`,
    paused: (left: number) => `Paused with ${shared.files(left)} to go`,
    waiting: (left: number) => `Waiting for the manager with ${shared.files(left)} to go`,
    sent: (files: number) => `${shared.files(files)} sent`,
    nothingSent: 'Nothing was sent',
    /** Where all was there already. */
    nothingToSend: 'Nothing to send',
    bytes: (done: number, all: number) => `${shared.fileSize(done)} of ${shared.fileSize(all)}`,
    pace: (bytesPerS: number) => `${shared.fileSize(Math.round(bytesPerS))}/s`,
    left: (seconds: number) => `${span(seconds)} left`,
    /** To come after other facts. */
    alreadyThere: (files: number) => `${shared.number(files)} already here`,
    cancelled: (files: number) => `${shared.number(files)} taken back`,
    failed: (files: number) => `${shared.files(files)} could not be sent`,
    moreFailed: (files: number) => `and ${shared.number(files)} more`,
    progress: 'Bytes sent',
    pause: 'Pause',
    resume: 'Resume',
    cancel: 'Cancel',
    cancelTitle: 'Take back everything that is not sent yet',
    retry: 'Try again',
    retryOf: (name: string) => `Try again: ${name}`,
    retryAll: 'Try all again',
    dismiss: 'Remove',
    dismissOf: (name: string) => `Remove ${name}`,
    dismissAll: 'Remove all',
    clear: 'Dismiss',
  },

  leftovers: {
    leftOut: (files: number) =>
      files === 1
        ? '1 other file in the folder is no picture and was left out.'
        : `${shared.number(files)} other files in the folder are no pictures and were left out.`,
    unreadable: (entries: number) =>
      entries === 1
        ? '1 file or folder could not be read on this computer.'
        : `${shared.number(entries)} files or folders could not be read on this computer.`,
    isCut: (most: number) => `Only the first ${shared.number(most)} files were taken: a batch holds no more.`,
    isNoFile: 'What was dropped is no file. Save the picture on this computer first, then drop it here.',
  },

  /** A file on its way. `share` is 0..1 of its bytes. */
  state(state: 'checking' | 'queued' | 'sending' | 'waiting' | 'failed', share: number): string {
    switch (state) {
      case 'checking':
        return 'being compared'
      case 'queued':
        return 'waiting to upload'
      case 'sending':
        // All bytes are sent long before the manager has made them safe.
        return share < 1 ? `uploading ${Math.floor(share * 100)} %` : 'being stored'
      case 'waiting':
        return 'upload interrupted, tried again soon'
      case 'failed':
        return 'not uploaded'
    }
  },
  progressOf: (name: string) => `Upload of ${name}`,

  /** Why a file was not sent, or waits. */
  problem({ code, message }: Problem): string {
    switch (code) {
      case 'too_large':
        return 'The file is larger than 32 MiB.'
      case 'deleted':
        return 'The file can no longer be read: it was deleted or moved on this computer.'
      case 'changed':
        return 'The file can no longer be read: it was changed since it was chosen. Choose it again.'
      case 'queue_full':
        return 'As many pictures wait as the manager holds. The rest is sent as soon as it has room.'
      case 'busy':
        return 'The manager is busy. The rest is sent as soon as it has room.'
      case 'too_many_from_you':
        return 'The manager has as much from you as it takes at a time. The rest is sent as soon as it has room.'
      case 'shutting_down':
        return 'The manager is shutting down. The rest is sent when it is back.'
      default:
        return shared.problem({ code, message })
    }
  },
}

/** In words that do not tremble: nobody needs the tenths of what is only foreseen. */
function span(seconds: number): string {
  if (seconds < 5) return 'a few seconds'
  if (seconds < 55) return `${Math.ceil(seconds / 5) * 5} s`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}
