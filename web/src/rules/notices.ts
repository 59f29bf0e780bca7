/** What a person should be told beside the pictures: everything that stands in the way, worst first. */

import type { Model } from '../protocol'
import { ended, sentence, type Tone } from './words'

/** One sentence at the top of the page. */
export interface Notice {
  /** Unique among the notices of a moment. */
  readonly key: string
  readonly tone: Tone
  readonly words: string
}

/** What notices are made of. */
export interface Situation {
  /** Whether the connection to the manager is lost, or it could not be asked. */
  readonly unreachable: boolean
  /** Files that have not arrived yet. */
  readonly pending: number
  /** Why nothing moves, as the manager says it. */
  readonly stuck: string | null
  readonly model: Model | null
  /** What happened to workers. */
  readonly news: readonly string[]
  /** Files of dropped folders that are no pictures. */
  readonly leftOut: number
  /** Files and folders of a drop that could not be read. */
  readonly unreadable: number
}

/** The notices of a situation. */
export function noticesOf(situation: Situation): Notice[] {
  const notices: Notice[] = []
  const say = (key: string, tone: Tone, words: string) => {
    if (words) notices.push({ key, tone, words })
  }
  if (situation.unreachable) say('unreachable', 'bad', unreachableWords(situation.pending))
  // What the manager said before it was lost need not be true any more.
  else say('stuck', 'active', sentence(situation.stuck ?? ''))
  say('model', 'active', ended(situation.model?.notice ?? ''))
  situation.news.forEach((words, index) => say(`news-${index}-${words}`, 'quiet', words))
  if (situation.unreadable > 0) say('unreadable', 'bad', unreadableWords(situation.unreadable))
  if (situation.leftOut > 0) say('left-out', 'quiet', leftOutWords(situation.leftOut))
  return notices
}

function unreachableWords(pending: number): string {
  const kept = 'Connection to the manager lost. Everything shown here is kept, and the page resumes by itself.'
  return pending > 0 ? `${kept} Keep it open: some pictures have not been sent yet.` : kept
}

function unreadableWords(count: number): string {
  return count === 1
    ? 'Of what was dropped, 1 file or folder could not be read.'
    : `Of what was dropped, ${count.toLocaleString('en')} files or folders could not be read.`
}

function leftOutWords(count: number): string {
  return count === 1
    ? '1 other file in the dropped folder is no picture and was left out.'
    : `${count.toLocaleString('en')} other files in the dropped folder are no pictures and were left out.`
}
