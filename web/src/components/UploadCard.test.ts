import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import type { PendingFile } from '../composables/useUploads'
import UploadCard from './UploadCard.vue'

function show(own: Partial<PendingFile>) {
  const pending: PendingFile = { key: 'k', file: new File(['x'], 'cat.jpg'), state: 'queued', share: 0, problem: null, ...own }
  return mount(UploadCard, { props: { pending } })
}

it('an upload under way says how far it is', () => {
  const card = show({ state: 'sending', share: 0.4 })
  expect(card.text()).toContain('uploading 40 %')
  expect(card.find('progress').attributes('value')).toBe('0.4')
})

it('an upload that failed says why, and can be tried again or removed', async () => {
  const card = show({ state: 'failed', problem: { code: 'too_large', message: 'The file is too large.' } })
  expect(card.find('.reason').text()).toBe('The file is too large.')
  const [again, remove] = card.findAll('button')
  await again?.trigger('click')
  await remove?.trigger('click')
  expect(card.emitted('retry')).toHaveLength(1)
  expect(card.emitted('dismiss')).toHaveLength(1)
  expect(again?.attributes('aria-label')).toBe('Try again: cat.jpg')
})

it('an upload that tries again by itself says what it waits for', () => {
  const card = show({ state: 'paused', problem: { code: 'unreachable', message: 'The manager cannot be reached.' } })
  expect(card.text()).toContain('tried again soon')
  expect(card.text()).toContain('The manager cannot be reached.')
  expect(card.find('button').exists()).toBe(false)
})
