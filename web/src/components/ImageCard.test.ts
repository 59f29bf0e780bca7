import { flushPromises, mount } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'
import { shallowReactive } from 'vue'
import type { Image } from '../protocol'
import { anImage } from '../testing'
import ImageCard from './ImageCard.vue'

function show(image: Image, own: { local?: string; retryImage?: (id: string) => Promise<void> } = {}) {
  const images = shallowReactive(new Map([[image.id, image]]))
  const retryImage = own.retryImage ?? (async () => {})
  const props = { id: image.id, images, thumbnailUrl: (id: string) => `/thumb/${id}`, ...own, retryImage }
  return { images, card: mount(ImageCard, { props }) }
}

const label = (index: number, probability: number) => ({ index, probability, name: `class ${index}, other name` })

describe('the card of an image', () => {
  it('shows the labels, most probable first, as they arrive', async () => {
    const { card, images } = show(anImage({ state: 'assigned', worker: 'worker-2' }))
    expect(card.text()).toContain('on worker-2')
    images.set('1', anImage({ seq: 2, state: 'recognised', labels: [label(14, 0.75), label(3, 0.25)] }))
    await flushPromises()
    const rows = card.findAll('.top-five li')
    expect(rows.map((row) => row.attributes('data-index'))).toEqual(['14', '3'])
    expect(rows[0]?.text()).toContain('class 14')
    expect(rows[0]?.text()).toContain('75.0 %')
    expect(rows[0]?.find<HTMLElement>('.bar i').element.style.width).toBe('75%')
  })

  it('says why an image was not accepted, and offers no second try', () => {
    const error = { code: 'not_an_image', message: 'This is no image.' }
    const { card } = show(anImage({ state: 'rejected', error }))
    expect(card.find('.reason').text()).toBe('This is no image.')
    expect(card.find('button').exists()).toBe(false)
    expect(card.find('img').exists()).toBe(false)
  })

  it('tries a failed image again, and says so when that fails', async () => {
    const retryImage = vi.fn(async () => Promise.reject(new Error('The manager cannot be reached.')))
    const error = { code: 'worker_failures', message: 'It crashed two workers.' }
    const { card } = show(anImage({ state: 'failed', error }), { retryImage })
    await card.find('button').trigger('click')
    await flushPromises()
    expect(retryImage).toHaveBeenCalledExactlyOnceWith('1')
    expect(card.find('[role=alert]').text()).toBe('The manager cannot be reached.')
    expect(card.find('button').attributes('disabled')).toBeUndefined()
  })

  it('cannot be made to run what a file is called', () => {
    const { card } = show(anImage({ name: '<img src=x onerror=alert(1)>' }))
    expect(card.find('h2').text()).toBe('<img src=x onerror=alert(1)>')
    expect(card.find('h2 img').exists()).toBe(false)
  })
})

describe('the picture on a card', () => {
  const sources = (card: ReturnType<typeof show>['card']) => card.findAll('img').map((img) => img.attributes('src'))

  it('is the file itself until the image is answered and its thumbnail is there', async () => {
    const { card, images } = show(anImage(), { local: 'blob:1' })
    expect(sources(card)).toEqual(['blob:1'])
    images.set('1', anImage({ seq: 2, state: 'recognised' }))
    await flushPromises()
    expect(sources(card)).toEqual(['blob:1', '/thumb/1'])
    await card.findAll('img')[1]?.trigger('load')
    expect(sources(card)).toEqual(['/thumb/1'])
    expect(card.emitted('thumbnailShown')).toHaveLength(1)
  })

  it('is the thumbnail when this page never had the file', () => {
    expect(sources(show(anImage()).card)).toEqual(['/thumb/1'])
  })

  it('is a placeholder when there is no thumbnail', async () => {
    const { card } = show(anImage())
    await card.find('img').trigger('error')
    expect(card.find('img').exists()).toBe(false)
    expect(card.find('.placeholder').exists()).toBe(true)
  })

  it('stays the file itself when there is no thumbnail', async () => {
    const { card } = show(anImage({ state: 'recognised' }), { local: 'blob:1' })
    await card.findAll('img')[1]?.trigger('error')
    expect(sources(card)).toEqual(['blob:1'])
    expect(card.emitted('thumbnailShown')).toBeUndefined()
  })
})
