/** What a person should be told beside the pictures: everything that stands in the way, worst first. */

import type { Model, Problem } from '../protocol'
import type { Words } from '../words/words'
import { BUILTIN, builtinReasonOf } from './builtin'
import type { Tone } from './state'

/** What a person can do about a notice. */
export type Remedy = 'try-now' | 'reload'

/** What is told of a notice when it is asked for. */
export interface More {
  readonly title: string
  /** Text between backticks is to be typed as it is. */
  readonly words: string
  /** The manager's own words, which are English. */
  readonly quoted: string | null
}

/** One thing to be told. */
export interface Notice {
  /** Unique among the notices of a moment. */
  readonly key: string
  readonly tone: Tone
  readonly words: string
  /** More of it, for who wants to know. */
  readonly more: More | null
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
  // Before reading any label a person should know that it is one of ten. What is to be said of other models is said where
  // they are named.
  if (model?.name === BUILTIN) notices.push({ key: 'model', tone: 'active', ...ofBuiltin(model.notice, said), remedy: null })
  return notices
}

function ofBuiltin(notice: string | null, said: Words['shell']['notices']): Pick<Notice, 'words' | 'more'> {
  const reason = notice === null ? null : builtinReasonOf(notice)
  // All of its own words where this page has none for them.
  const quoted = reason === null ? notice : reason.detail
  return { words: said.builtin(reason), more: { title: said.getTitle, words: said.get(reason?.why === 'chosen'), quoted } }
}

/** A text in parts, of which those to be typed as they are stood between backticks. */
export function partsOf(text: string): { text: string; isCode: boolean }[] {
  return text
    .split('`')
    .map((part, index) => ({ text: part, isCode: index % 2 === 1 }))
    .filter((part) => part.text !== '')
}
