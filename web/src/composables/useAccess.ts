/**
 * As what the manager lets this browser in, and how that changes: by a token that is given, by logging out, and by the end of a
 * token. The token itself is kept in a cookie that no script can read.
 */

import { computed, inject, ref, shallowRef, type ComputedRef, type InjectionKey, type Ref, type ShallowRef } from 'vue'
import { asProblem, RequestError, type Api } from '../api'
import type { Problem, Session, SessionRole } from '../protocol'
import { EVERYTHING, mayOf, type May } from '../rules/access'
import { waitMs, type Backoff } from '../rules/backoff'
import type { Outage } from './useEvents'

/** How a question that got no answer is asked again. */
export const ASK_AGAIN: Backoff = { firstMs: 500, longestMs: 10_000 }

/** What may be done on this page, provided by `App`. */
export const MAY: InjectionKey<Readonly<Ref<May>>> = Symbol('may')

/** What may be done. Where nobody says, everything. */
export function useMay(): Readonly<Ref<May>> {
  return inject(MAY, () => shallowRef(EVERYTHING), true)
}

/** As what this browser is let in. */
export interface Access {
  /** Null until the manager has said. */
  readonly role: Readonly<Ref<SessionRole | null>>
  readonly may: ComputedRef<May>
  /** Whether the manager asks for tokens at all. */
  readonly needsToken: Readonly<Ref<boolean>>
  /** Why the token that this browser has does not count (any more). */
  readonly problem: Readonly<ShallowRef<Problem | null>>
  /** Not null while the manager cannot be asked. Times are those of `Date.now`. */
  readonly outage: Readonly<ShallowRef<Outage | null>>
  /** Finds out, trying `token` first where there is one. */
  start(token: string | null): Promise<void>
  /** Gives a token. Rejects with a `RequestError`. */
  logIn(token: string): Promise<void>
  logOut(): Promise<void>
  /** The manager does not let this browser in any more, and why. */
  turnedAway(problem: Problem): void
  /** Asks no more. */
  stop(): void
}

/** Knows nothing until `start`. */
export function useAccess(api: Pick<Api, 'session' | 'logIn' | 'logOut'>, chance = Math.random): Access {
  const role = ref<SessionRole | null>(null)
  const needsToken = ref(false)
  const problem = shallowRef<Problem | null>(null)
  const outage = shallowRef<Outage | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  let isOver = false

  function take(session: Session): void {
    needsToken.value = session.needs_token
    problem.value = session.problem
    role.value = session.role
  }

  async function ask(failures = 1): Promise<void> {
    try {
      const session = await api.session()
      if (isOver) return
      outage.value = null
      take(session)
    } catch {
      if (isOver) return
      const wait = waitMs(ASK_AGAIN, failures, chance())
      outage.value = { since: outage.value?.since ?? Date.now(), nextTry: Date.now() + wait }
      timer = setTimeout(() => void ask(failures + 1), wait)
    }
  }

  async function logIn(token: string): Promise<void> {
    take(await api.logIn(token))
  }

  return {
    role,
    may: computed(() => mayOf(role.value)),
    needsToken,
    problem,
    outage,
    async start(token) {
      if (token === null) return ask()
      try {
        await logIn(token)
      } catch (error) {
        await ask()
        // Who has just given a token wants to know what is wrong with that one.
        if (error instanceof RequestError && error.code !== 'unreachable') problem.value = asProblem(error)
      }
    },
    logIn,
    async logOut() {
      await api.logOut()
      take({ role: 'viewer', needs_token: needsToken.value, problem: null })
    },
    turnedAway(why) {
      needsToken.value = true
      problem.value = why
      role.value = 'viewer'
    },
    stop() {
      isOver = true
      clearTimeout(timer)
    },
  }
}
