/** What a person should be told beside the pictures: everything that stands in the way, worst first. */

import type { Model, Problem } from '../protocol'
import type { Words } from '../words/words'
import type { Tone } from './state'

/** What a person can do about a notice. */
export type Remedy = 'try-now' | 'reload'

/** One thing to be told. Text between backticks is to be typed as it is. */
export interface Notice {
  /** Unique among the notices of a moment. */
  readonly key: string
  readonly tone: Tone
  readonly words: string
  /** More of it, for who wants to know. */
  readonly more: string | null
  readonly remedy: Remedy | null
}

/** What notices are made of. */
export interface Situation {
  /** Whether the connection to the manager is lost, or it could not be asked. */
  readonly isAway: boolean
  /** Files that have not arrived yet. */
  readonly unsent: number
  /** Whether the manager serves a newer page than this. */
  readonly isOutdated: boolean
  /** Why nothing moves. */
  readonly stuck: Problem | null
  readonly model: Model | null
}

/** The notices of a situation. */
export function noticesOf(situation: Situation, words: Words): Notice[] {
  const { isAway, unsent, isOutdated, stuck, model } = situation
  const said = words.shell.notices
  const notices: Notice[] = []
  if (isAway) notices.push({ key: 'unreachable', tone: 'bad', words: said.away(unsent), more: null, remedy: 'try-now' })
  if (isOutdated) notices.push({ key: 'outdated', tone: 'active', words: said.outdated(unsent), more: null, remedy: 'reload' })
  // What the manager said before it was lost need not be true any more.
  if (stuck !== null && !isAway) notices.push({ key: 'stuck', tone: 'active', ...said.stuck(stuck), remedy: null })
  const ofModel = model === null ? null : said.model(model)
  if (ofModel !== null) notices.push({ key: 'model', tone: 'active', ...ofModel, remedy: null })
  return notices
}

/** A text in parts, of which those to be typed as they are stood between backticks. */
export function partsOf(text: string): { text: string; isCode: boolean }[] {
  return text
    .split('`')
    .map((part, index) => ({ text: part, isCode: index % 2 === 1 }))
    .filter((part) => part.text !== '')
}
