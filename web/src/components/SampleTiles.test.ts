import { flushPromises, mount } from '@vue/test-utils'
import { expect, it, vi } from 'vitest'
import { SAMPLES } from '../samples'
import SampleTiles from './SampleTiles.vue'

it('nothing is loaded before a person wants it; then one, or all', async () => {
  const fetched = vi.fn(async () => new Response('bytes'))
  vi.stubGlobal('fetch', fetched)
  const tiles = mount(SampleTiles)
  expect(fetched).not.toHaveBeenCalled()

  await tiles.find('[aria-label$=strawberry]').trigger('click')
  await flushPromises()
  await tiles.find('.head button').trigger('click')
  await flushPromises()

  const chosen = (tiles.emitted<[File[]]>('chosen') ?? []).map(([files]) => files.map((file) => file.name))
  expect(chosen).toEqual([['strawberry.jpg'], SAMPLES.map((sample) => `${sample}.jpg`)])
})

it('samples that cannot be loaded are said to be so, and can be tried again', async () => {
  vi.stubGlobal('fetch', vi.fn(async () => Response.error()))
  const tiles = mount(SampleTiles)
  await tiles.find('.head button').trigger('click')
  await flushPromises()
  expect(tiles.find('[role=alert]').text()).toContain('could not be loaded')

  vi.stubGlobal('fetch', vi.fn(async () => new Response('bytes')))
  await tiles.find('.head button').trigger('click')
  await flushPromises()
  expect(tiles.find('[role=alert]').exists()).toBe(false)
  expect(tiles.emitted('chosen')).toHaveLength(1)
})
