import { flushPromises } from '@vue/test-utils'
import { effectScope } from 'vue'
import { expect, it, vi } from 'vitest'
import { useNewerPage } from './useNewerPage'

function open(served: () => Promise<string | null>, isWanted = true, own: string | null = 'old') {
  const pageDigest = vi.fn(served)
  const scope = effectScope()
  const newer = scope.run(() => useNewerPage({ pageDigest }, () => isWanted, own))
  if (!newer) throw new Error('it was not made')
  return { pageDigest, newer, scope }
}

async function seenAgain() {
  document.dispatchEvent(new Event('visibilitychange'))
  await flushPromises()
}

it('a page that is seen again finds out that there is a newer one, and asks no more then', async () => {
  const { pageDigest, newer, scope } = open(async () => 'new')
  expect(pageDigest).not.toHaveBeenCalled()
  await seenAgain()
  expect(newer.isThere.value).toBe(true)
  await seenAgain()
  expect(pageDigest).toHaveBeenCalledOnce()
  scope.stop()
})

it('the same page, and no answer, are no newer page', async () => {
  for (const served of [async () => 'old', async () => null, () => Promise.reject(new Error('away'))]) {
    const { newer, scope } = open(served)
    await newer.ask()
    expect(newer.isThere.value).toBe(false)
    scope.stop()
  }
})

it('nothing is asked where nobody wants to know, nor after the end', async () => {
  const unwanted = open(async () => 'new', false)
  const unmarked = open(async () => 'new', true, null)
  const ended = open(async () => 'new')
  ended.scope.stop()
  await seenAgain()
  for (const { pageDigest } of [unwanted, unmarked, ended]) expect(pageDigest).not.toHaveBeenCalled()
  unwanted.scope.stop()
  unmarked.scope.stop()
})
