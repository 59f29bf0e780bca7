import { flushPromises, mount } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'
import { shallowReactive } from 'vue'
import { RequestError } from '../api'
import type { Image } from '../protocol'
import { anImage } from '../testing'
import ImageCard from './ImageCard.vue'

interface Own {
  local?: string
  threshold?: number
  selected?: boolean
  retryImage?: (id: string) => Promise<void>
}

function show(image: Image, own: Own = {}) {
  const images = shallowReactive(new Map([[image.id, image]]))
  const here = shallowReactive(new Map<string, string>())
  const thumbnails = { of: (id: string) => here.get(id), want: vi.fn(), unwant: vi.fn(), close: vi.fn() }
  const props = { imageId: image.id, images, thumbnails, threshold: 0, selected: false, active: false, retryImage: async () => {}, ...own }
  return { images, here, thumbnails, card: mount(ImageCard, { props }) }
}

const label = (index: number, probability: number) => ({ index, probability, name: `class ${index}, other name` })

describe('the card of an image', () => {
  it('says how the image stands, and its label as soon as there is one', async () => {
    const { card, images } = show(anImage({ state: 'assigned', worker: 'worker-2' }))
    expect(card.find('.headline').text()).toBe('on worker-2')
    expect(card.find('.bar').classes()).toContain('awaited')
    images.set('1', anImage({ seq: 2, state: 'recognised', labels: [label(14, 0.75), label(3, 0.25)] }))
    await flushPromises()
    expect(card.find('.words').text()).toBe('class 14')
    expect(card.find('.percent').text()).toBe('75.0 %')
    expect(card.find<HTMLElement>('.bar').element.style.getPropertyValue('--share')).toBe('0.75')
    expect(card.attributes()).toMatchObject({ 'data-image': '1', 'data-state': 'recognised', 'data-top': '14' })
    expect(card.text()).not.toContain('class 3')
  })

  it('says that it is not sure of a label below the threshold, and not otherwise', async () => {
    const { card } = show(anImage({ state: 'recognised', labels: [label(14, 0.4)] }), { threshold: 0.5 })
    expect(card.find('.words').text()).toBe('Not sure: class 14')
    await card.setProps({ threshold: 0.4 })
    expect(card.find('.words').text()).toBe('class 14')
  })

  it('says why an image was not accepted, and offers no second try', () => {
    const error = { code: 'not_an_image', message: 'This is no image.' }
    const { card, thumbnails } = show(anImage({ state: 'rejected', error }))
    expect(card.find('.headline').text()).toBe('not accepted')
    expect(card.find('.reason').text()).toBe('This is no image.')
    expect(card.find('.retry').exists()).toBe(false)
    expect(thumbnails.want).not.toHaveBeenCalled()
  })

  it('tries a failed image again, and says so when that fails', async () => {
    const away = new RequestError(0, 'unreachable', 'The manager cannot be reached.')
    const retryImage = vi.fn(async () => Promise.reject(away))
    const error = { code: 'worker_failures', message: 'It crashed two workers.' }
    const { card } = show(anImage({ state: 'failed', error }), { retryImage })
    await card.find('.retry').trigger('click')
    await flushPromises()
    expect(retryImage).toHaveBeenCalledExactlyOnceWith('1')
    expect(card.find('[role=alert]').text()).toBe('The manager cannot be reached.')
    expect(card.find('.retry').attributes('disabled')).toBeUndefined()
  })

  it('tells who cannot see it what it is, and whether it is chosen', async () => {
    const { card } = show(anImage({ state: 'recognised', labels: [label(14, 0.75)] }))
    expect(card.text().replace(/\s+/g, ' ')).toBe('class 1475.0 %cat.jpg')
    expect(card.find('[role=checkbox]').attributes()).toMatchObject({ 'aria-checked': 'false', 'aria-label': 'Select cat.jpg' })
    await card.setProps({ selected: true })
    expect(card.find('[role=checkbox]').attributes('aria-checked')).toBe('true')
    expect(card.attributes('aria-selected')).toBe('true')
  })

  it('cannot be made to run what a file is called, and leaves the direction of a name to the name', () => {
    const { card } = show(anImage({ name: '<img src=x onerror=alert(1)>' }))
    expect(card.find('.name').text()).toBe('<img src=x onerror=alert(1)>')
    expect(card.find('.name').attributes('dir')).toBe('auto')
    expect(card.find('img').exists()).toBe(false)
  })

  it('is made of few elements, since hundreds are in sight', () => {
    const { card, here } = show(anImage({ state: 'recognised', labels: [label(14, 0.75)] }))
    here.set('1', 'blob:1')
    expect(card.element.querySelectorAll('*').length).toBeLessThan(18)
  })
})

describe('the picture on a card', () => {
  const source = (card: ReturnType<typeof show>['card']) => card.find('img').attributes('src')

  it('is the file itself until the image is answered and its thumbnail is there', async () => {
    const { card, images, here, thumbnails } = show(anImage(), { local: 'blob:file' })
    expect(source(card)).toBe('blob:file')
    expect(thumbnails.want).not.toHaveBeenCalled()
    images.set('1', anImage({ seq: 2, state: 'recognised' }))
    await flushPromises()
    expect(thumbnails.want).toHaveBeenCalledExactlyOnceWith('1')
    expect(source(card)).toBe('blob:file')
    here.set('1', 'blob:thumbnail')
    await flushPromises()
    expect(source(card)).toBe('blob:thumbnail')
    expect(card.emitted('thumbnailShown')).toBeUndefined()
    await card.find('img').trigger('load')
    expect(card.emitted('thumbnailShown')).toHaveLength(1)
  })

  it('is the thumbnail when this page never had the file, wanted as long as the card is there', async () => {
    const { card, here, thumbnails } = show(anImage())
    expect(thumbnails.want).toHaveBeenCalledExactlyOnceWith('1')
    here.set('1', 'blob:thumbnail')
    await flushPromises()
    expect(source(card)).toBe('blob:thumbnail')
    card.unmount()
    expect(thumbnails.unwant).toHaveBeenCalledWith('1')
  })

  it('is a drawing when the browser cannot show the file, until the thumbnail is there', async () => {
    const { card, here } = show(anImage({ name: 'cat.heic' }), { local: 'blob:file' })
    await card.find('img').trigger('error')
    expect(card.find('img').exists()).toBe(false)
    here.set('1', 'blob:thumbnail')
    await flushPromises()
    expect(source(card)).toBe('blob:thumbnail')
  })

  it('has no drawing behind it, which would be seen through a picture that is faint', async () => {
    const { card, here } = show(anImage({ state: 'waiting' }))
    expect(card.find('.picture').classes()).toContain('drawn')
    here.set('1', 'blob:thumbnail')
    await flushPromises()
    expect(card.find('.picture').classes()).not.toContain('drawn')
  })
})
