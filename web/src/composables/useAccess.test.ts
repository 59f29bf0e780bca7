import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { RequestError } from '../api'
import type { Session } from '../protocol'
import { useAccess } from './useAccess'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const session = (own: Partial<Session> = {}): Session => ({ role: 'viewer', needs_token: true, problem: null, ...own })

function anApi() {
  return {
    session: vi.fn(async () => session()),
    logIn: vi.fn(async () => session({ role: 'uploader' })),
    logOut: vi.fn(async () => {}),
  }
}

it('pictures are taken and nothing else is offered until the manager has said what may be done, however long it is away', async () => {
  const api = anApi()
  api.session.mockRejectedValueOnce(new RequestError(0, 'unreachable', 'away'))
  api.session.mockResolvedValue(session({ role: 'operator', needs_token: false }))
  const access = useAccess(api, () => 1)
  await access.start(null)
  expect([access.role.value, access.may.value.upload, access.may.value.remove]).toEqual([null, true, false])
  expect(access.outage.value?.nextTry).toBe(Date.now() + 500)
  await vi.advanceTimersByTimeAsync(500)
  expect([access.role.value, access.may.value.remove, access.outage.value]).toEqual(['operator', true, null])
})

it('the token of the address is tried first, and what is wrong with it is said rather than with an older one', async () => {
  const api = anApi()
  const access = useAccess(api)
  await access.start('secret')
  expect([api.logIn.mock.calls, access.role.value]).toEqual([[['secret']], 'uploader'])
  expect(api.session).not.toHaveBeenCalled()

  api.logIn.mockRejectedValueOnce(new RequestError(401, 'token_unknown', 'no such token'))
  api.session.mockResolvedValueOnce(session({ problem: { code: 'token_revoked', message: 'revoked' } }))
  const other = useAccess(api)
  await other.start('guess')
  expect([other.role.value, other.problem.value?.code]).toEqual(['viewer', 'token_unknown'])
})

it('who is turned away is a viewer and knows why, until a token that counts is given', async () => {
  const access = useAccess(anApi())
  await access.start('secret')
  access.turnedAway({ code: 'token_expired', message: 'it expired' })
  expect([access.role.value, access.problem.value?.code]).toEqual(['viewer', 'token_expired'])
  await access.logIn('another')
  expect([access.role.value, access.problem.value]).toEqual(['uploader', null])
})

it('who logs out is a viewer, and nothing is wrong', async () => {
  const access = useAccess(anApi())
  await access.start('secret')
  await access.logOut()
  expect([access.role.value, access.needsToken.value, access.problem.value]).toEqual(['viewer', true, null])
})
