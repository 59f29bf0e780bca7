/** What happened to the workers between two looks at them, in sentences. */

import type { Worker } from '../protocol'
import { counted, isPresent } from './words'

/**
 * What a person should hear of. The order of the answer is that of the workers. A worker that has come back so fast
 * that no look has seen it missing is told by its address: a new connection has a new port.
 */
export function newsBetween(before: readonly Worker[], after: readonly Worker[]): string[] {
  const now = new Map(after.map((worker) => [worker.id, worker]))
  const earlier = new Map(before.map((worker) => [worker.id, worker]))
  const lost = before.flatMap((was) => lossOf(was, now.get(was.id)))
  const found = after.flatMap((is) => returnOf(earlier.get(is.id), is))
  return [...lost, ...found]
}

function lossOf(was: Worker, is: Worker | undefined): string[] {
  if (!isPresent(was)) return []
  // A worker that was finishing has left as it should.
  if (was.state === 'draining') return []
  if (is?.state === 'silent') return [`${was.id} does not answer.${moved(was)}`]
  if (is === undefined || is.state === 'gone') return [`${was.id} was lost.${moved(was)}`]
  if (is.address !== was.address) return [`${was.id} was lost and has come back.${moved(was)}`]
  return []
}

function returnOf(was: Worker | undefined, is: Worker): string[] {
  if (was === undefined || isPresent(was) || !isPresent(is)) return []
  return [`${is.id} is back.`]
}

function moved(was: Worker): string {
  if (was.in_flight === 0) return ''
  return ` Its ${counted(was.in_flight, 'image')} ${was.in_flight === 1 ? 'goes' : 'go'} to others.`
}
