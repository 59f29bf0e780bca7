import { mount } from '@vue/test-utils'
import { beforeEach, expect, it, vi } from 'vitest'
import { usePictures } from '../composables/usePictures'
import type { PendingFile } from '../composables/useUploads'
import UploadCard from './UploadCard.vue'

beforeEach(() => {
  vi.spyOn(URL, 'createObjectURL').mockReturnValue('blob:1')
  vi.spyOn(URL, 'revokeObjectURL').mockReturnValue()
})

function show(own: Partial<PendingFile>) {
  const pending: PendingFile = { key: 'k', file: new File(['x'], 'cat.jpg'), state: 'queued', share: 0, problem: null, ...own }
  const pictures = usePictures()
  return { card: mount(UploadCard, { props: { pending, pictures } }), pictures }
}

it('an upload under way says how far it is', () => {
  const { card } = show({ state: 'sending', share: 0.4 })
  expect(card.text()).toContain('uploading 40 %')
  expect(card.find('.bar').attributes('style')).toContain('--share: 0.4')
})

it('an upload that failed says why, and can be tried again or removed', async () => {
  const { card } = show({ state: 'failed', problem: { code: 'internal', message: 'something broke' } })
  expect(card.find('.reason').text()).toBe('Something broke.')
  const [again, remove] = card.findAll('button')
  await again?.trigger('click')
  await remove?.trigger('click')
  expect(card.emitted('retry')).toHaveLength(1)
  expect(card.emitted('dismiss')).toHaveLength(1)
  expect(again?.attributes('aria-label')).toBe('Try again: cat.jpg')
})

it('a file that no second try can help is not offered one', () => {
  const { card } = show({ state: 'failed', problem: { code: 'deleted', message: 'The file is gone.' } })
  expect(card.findAll('button').map((button) => button.attributes('aria-label'))).toEqual(['Remove cat.jpg'])
})

it('an upload that tries again by itself says what it waits for', () => {
  const { card } = show({ state: 'waiting', problem: { code: 'internal', message: 'Something broke.' } })
  expect(card.text()).toContain('tried again soon')
  expect(card.text()).toContain('Something broke.')
  expect(card.find('button').exists()).toBe(false)
})

it('shows the file itself while the card is there, and keeps nothing of it afterwards', async () => {
  const { card } = show({})
  await card.vm.$nextTick()
  expect(card.find('img').attributes('src')).toBe('blob:1')
  card.unmount()
  expect(URL.revokeObjectURL).toHaveBeenCalledWith('blob:1')
})

it('hands its picture on to the image that the file has become', () => {
  const { card, pictures } = show({})
  pictures.handOn('k', '7')
  card.unmount()
  expect(pictures.of('7')).toBe('blob:1')
})
