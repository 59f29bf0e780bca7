import { expect, it, vi } from 'vitest'
import { effectScope, nextTick, ref, shallowReactive } from 'vue'
import { RequestError } from '../api'
import type { Image } from '../protocol'
import { anImage } from '../testing'
import { useSelection } from './useSelection'

const BATCH = [
  anImage({ id: '1', state: 'waiting' }),
  anImage({ id: '2', state: 'recognised' }),
  anImage({ id: '3', state: 'failed' }),
  anImage({ id: '4', state: 'rejected' }),
]
const ORDER = ['1', '2', '3', '4']

function setUp() {
  const answer = async (_batch: string, ids: readonly string[]) => ({ done: ids.length, refused: 0 })
  const api = { retryAll: vi.fn(answer), cancelAll: vi.fn(answer), deleteAll: vi.fn(answer) }
  const images = shallowReactive(new Map<string, Image>(BATCH.map((image) => [image.id, image])))
  const batch = { id: ref<string | null>('b'), images, changes: ref(0) }
  const selecting = effectScope().run(() => useSelection(api, batch)) as ReturnType<typeof useSelection>
  return { api, batch, images, selecting }
}

it('each deed is done to those of the chosen images to which it can be done', async () => {
  const { api, selecting } = setUp()
  selecting.chooseAll(ORDER)
  expect(selecting.doable.value).toEqual({ retry: 2, cancel: 1, delete: 4 })
  await selecting.perform('retry')
  expect(api.retryAll).toHaveBeenCalledExactlyOnceWith('b', ['2', '3'])
  selecting.chooseAll(ORDER)
  await selecting.perform('cancel')
  expect(api.cancelAll).toHaveBeenCalledExactlyOnceWith('b', ['1'])
})

it('what was done and what was refused is said until something else is chosen', async () => {
  const { api, selecting } = setUp()
  api.deleteAll.mockResolvedValueOnce({ done: 1, refused: 1 })
  selecting.chooseAll(['1', '2'])
  await selecting.perform('delete')
  expect(selecting.outcome.value).toEqual({ deed: 'delete', done: 1, refused: 1, problem: null })
  expect(selecting.selection.value.chosen.size).toBe(0)
  selecting.toggle('3')
  expect(selecting.outcome.value).toBeNull()
})

it('what could not be asked for is said, and what was chosen stays chosen', async () => {
  const { api, selecting } = setUp()
  api.deleteAll.mockRejectedValueOnce(new RequestError(0, 'unreachable', 'The manager cannot be reached.'))
  selecting.toggle('2')
  await selecting.perform('delete')
  expect(selecting.outcome.value?.problem?.code).toBe('unreachable')
  expect([...selecting.selection.value.chosen]).toEqual(['2'])
  expect(selecting.doing.value).toBeNull()
})

it('one deed is done at a time', async () => {
  const { api, selecting } = setUp()
  selecting.toggle('2')
  const first = selecting.perform('delete')
  await selecting.perform('delete')
  await first
  expect(api.deleteAll).toHaveBeenCalledOnce()
})

it('an image that is deleted is chosen no longer, whoever deleted it', async () => {
  const { batch, images, selecting } = setUp()
  selecting.chooseAll(['1', '2'])
  images.delete('1')
  batch.changes.value += 1
  await nextTick()
  expect([...selecting.selection.value.chosen]).toEqual(['2'])
})
