/** The page as a whole: its top, its empty, loading, ended and offline states, its notices. */

import type { Problem } from '../../protocol'
import type { BuiltinReason } from '../../rules/builtin'
import type { More } from '../../rules/notices'
import { shared } from './shared'

export const shell = {
  /** The page's name in tabs and bookmarks, with how far its batch is. */
  title: (progress: { settled: number; total: number } | null) =>
    progress === null
      ? 'manyeyes'
      : `${shared.number(progress.settled)}/${shared.number(progress.total)} · manyeyes`,
  home: 'manyeyes, start a new batch',
  newBatch: 'New batch',
  language: 'Language',
  theme: 'Light or dark',
  themes: { system: 'As the system', light: 'Light', dark: 'Dark' },
  connection: { connecting: 'connecting', open: 'live', lost: 'offline' },
  loading: 'Loading the batch',

  /** What a page without pictures says of the manager's workers. */
  ready: (workers: number) =>
    workers === 0 ? 'No worker is connected yet. Pictures wait until one is.' : `${shared.workers(workers)} ready`,

  samples: {
    title: 'No picture at hand?',
    send: 'Try it with these',
    one: (name: string) => `Try it with this picture: ${name}`,
    names: {
      airliner: 'airliner',
      balloon: 'balloon',
      daisy: 'daisy',
      lighthouse: 'lighthouse',
      sailboat: 'sailing boat',
      'school-bus': 'school bus',
      strawberry: 'strawberry',
      'traffic-light': 'traffic light',
      umbrella: 'umbrella',
    },
    failed: 'The sample pictures could not be loaded.',
  },

  notices: {
    label: 'Notices',
    away: (unsent: number) =>
      unsent === 0
        ? 'The manager cannot be reached. Everything shown here is kept, and the page resumes by itself.'
        : `The manager cannot be reached. Everything shown here is kept, and the page resumes by itself: keep it open, ${shared.files(unsent)} ${unsent === 1 ? 'has' : 'have'} not been sent yet.`,
    /** Ticks beside `away`. */
    awayFor: (seconds: number) => `Away for ${shared.wholeSeconds(seconds)}.`,
    nextTry: (seconds: number) => (seconds <= 0 ? 'Trying now …' : `Next try in ${shared.wholeSeconds(seconds)}.`),
    tryNow: 'Try now',
    outdated: (unsent: number) =>
      unsent === 0
        ? 'A newer page is there. Nothing is lost when you reload.'
        : `A newer page is there. Better wait until the uploads are through: ${shared.files(unsent)} would have to be chosen again.`,
    reload: 'Reload',
    /** Why nothing moves. */
    stuck(problem: Problem): { words: string; more: More | null } {
      if (problem.code !== 'no_worker') return { words: shared.problem(problem), more: null }
      return {
        words: 'No worker is connected. Pictures wait until one is.',
        more: {
          title: 'How to start one',
          words: 'Run `manyeyes worker --manager HOST:PORT`, with the address that the manager prints as "workers on".',
          quoted: null,
        },
      }
    },
    /** Which model serves, and why; null where the reason is not known. */
    builtin: (reason: BuiltinReason | null) =>
      `The built-in model serves, which tells ten classes apart${reason === null ? '.' : `: ${whyBuiltin(reason)}.`}`,
    getTitle: 'How to get GoogLeNet',
    /** How to get the model that tells more apart. */
    get: (isChosen: boolean) =>
      `GoogLeNet tells 1,000 classes apart. Run \`manyeyes model pull googlenet\` where the workers run, or put googlenet.onnx into a folder that \`MANYEYES_MODELS\` names. Then start again${isChosen ? ', without `--model builtin`' : ''}.`,
  },

  login: {
    title: 'Who is there?',
    why: 'This manager asks for a token. Who runs it can make you one; its own is in the address that it prints when it starts.',
    /** Above what a page shows whose token has ended. */
    kept: 'Give a token to go on. Everything shown here is kept, and files that wait are sent afterwards.',
    label: 'Token',
    submit: 'Log in',
    busy: 'Logging in …',
    wait: (seconds: number) => `Try again in ${shared.wholeSeconds(seconds)}.`,
    viewing: 'You see this batch because you have its address. With a token you can do more.',
    later: 'Not now',
    out: 'Log out',
  },

  /** Why a batch cannot be shown. */
  ended({ code, message }: Problem): { title: string; why: string } {
    switch (code) {
      case 'gone':
        return { title: 'This batch is gone', why: 'It was deleted, or it has expired.' }
      case 'no_such_batch':
        return {
          title: 'There is no such batch',
          why: 'It was deleted, it has expired, or its address is not complete.',
        }
      default:
        return { title: 'This batch cannot be shown', why: shared.problem({ code, message }) }
    }
  },
}

function whyBuiltin({ why, download }: BuiltinReason): string {
  if (why === 'chosen') return 'it was asked for'
  const what = why === 'damaged' ? 'the copy of GoogLeNet on this machine is damaged' : 'GoogLeNet is not on this machine'
  switch (download) {
    case null:
      return what
    case 'no_network':
      return `${what} and could not be downloaded (no network)`
    case 'no_source':
      return `${what}, and no source had it to download`
    case 'failed':
      return `${what} and could not be downloaded`
  }
}
