/** The page as a whole: its top, its empty, loading, ended and offline states, its notices. */

import type { Model, Problem } from '../../protocol'
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
    more: 'What to do about it',
    /** Why nothing moves. */
    stuck(problem: Problem): { words: string; more: string | null } {
      if (problem.code !== 'no_worker') return { words: shared.problem(problem), more: null }
      return {
        words: 'No worker is connected. Pictures wait until one is.',
        more: 'To start one: `manyeyes worker --manager HOST:PORT`, with the address that the manager prints as "workers on".',
      }
    },
    /** What a person should know of a model. */
    model({ name, notice }: Model): { words: string; more: string | null } | null {
      if (notice === null) return null
      if (name !== 'builtin') return { words: shared.asSaid(notice), more: null }
      return {
        words: 'The small built-in model answers. It knows ten kinds of things, and takes everything for one of them.',
        more: notice,
      }
    },
  },

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
