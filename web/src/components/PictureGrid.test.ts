import { enableAutoUnmount, flushPromises, mount } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { shallowReactive } from 'vue'
import type { PendingFile } from '../composables/useUploads'
import type { Image } from '../protocol'
import { arrange, EVERYTHING, labelKey, type ViewSettings } from '../rules/view'
import { anImage } from '../testing'
import PictureGrid from './PictureGrid.vue'

enableAutoUnmount(afterEach)

beforeEach(() => {
  // A page of three cards in a row.
  vi.spyOn(HTMLElement.prototype, 'getBoundingClientRect').mockReturnValue({ top: 0, width: 560 } as DOMRect)
})

const tabby = { index: 281, name: 'tabby', probability: 0.9 }

function recognised(count: number): Image[] {
  return Array.from({ length: count }, (_, at) => anImage({ id: String(at + 1), name: `${at + 1}.jpg`, state: 'recognised', labels: [tabby] }))
}

async function show(known: Image[], settings: Partial<ViewSettings> = {}, files: PendingFile[] = []) {
  const images = shallowReactive(new Map(known.map((image) => [image.id, image])))
  const thumbnails = { of: () => undefined, want: vi.fn(), unwant: vi.fn(), close: () => {} }
  const view = arrange(known, files, { ...EVERYTHING, ...settings })
  const grid = mount(PictureGrid, {
    attachTo: document.body,
    props: {
      view,
      choices: 0,
      threshold: 0,
      images,
      pending: new Map(files.map((file) => [file.key, file])),
      pictures: { of: () => undefined, show: () => {}, handOn: () => {}, release: () => {} },
      thumbnails,
      chosen: new Set<string>(),
      covered: 0,
      retryImage: async () => {},
    },
  })
  await flushPromises()
  const cards = () => new Map(grid.findAll<HTMLElement>('.card').map(({ element }) => [element.dataset.cell, element]))
  const card = (id: string) => grid.find<HTMLElement>(`[data-cell="${id}"]`)
  const focused = () => (document.activeElement as HTMLElement).dataset.cell
  const press = async (key: string, held: object = {}) => {
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...held }))
    await flushPromises()
  }
  return { grid, card, cards, focused, press, images, thumbnails }
}

describe('of ten thousand images', () => {
  it('only those in sight have cards, and the page is as high as all of them', async () => {
    const { grid } = await show(recognised(10_000))
    expect(grid.findAll('.card').length).toBeLessThan(100)
    expect(grid.find('[role=grid]').attributes('aria-rowcount')).toBe('3334')
    expect(Number.parseInt((grid.element as HTMLElement).style.height)).toBeGreaterThan(500_000)
  })

  it('the last one is reached by the keyboard, and has a card then', async () => {
    const { card, focused, press } = await show(recognised(10_000))
    card('1').element.focus()
    await press('End', { ctrlKey: true })
    expect(focused()).toBe('10000')
    await press('Home', { ctrlKey: true })
    expect(focused()).toBe('1')
  })
})

describe('the keyboard', () => {
  it('enters the grid at one place, and goes on from there by arrows', async () => {
    const { grid, card, focused, press } = await show(recognised(7))
    expect(grid.findAll('[data-cell][tabindex="0"]')).toHaveLength(1)
    card('1').element.focus()
    await press('ArrowRight')
    await press('ArrowDown')
    expect(focused()).toBe('5')
    expect(grid.findAll('[data-cell][tabindex="0"]').map((cell) => cell.attributes('data-cell'))).toEqual(['5'])
  })

  it('opens, chooses, extends, gives up and asks to delete', async () => {
    const { grid, card, press } = await show(recognised(7))
    card('2').element.focus()
    await press('Enter')
    await press(' ')
    await press('ArrowRight', { shiftKey: true })
    await press('a', { ctrlKey: true })
    await press('Escape')
    await press('Delete')
    expect(grid.emitted()).toMatchObject({
      open: [['2']],
      toggle: [['2'], ['3']],
      extend: [['3']],
      chooseAll: [[]],
      clear: [[]],
      askDelete: [[]],
    })
  })

  it('stays near when the card that it is on goes', async () => {
    const known = recognised(7)
    const { grid, card, focused, images } = await show(known)
    card('4').element.focus()
    images.delete('4')
    // The card goes at once, the row a moment later.
    await flushPromises()
    expect(focused()).toBeUndefined()
    await grid.setProps({ view: arrange(known.filter(({ id }) => id !== '4'), [], EVERYTHING) })
    await flushPromises()
    expect(focused()).toBe('5')
  })
})

describe('a card that stays in sight', () => {
  it('is the same one in another row, and its thumbnail is not given up, when more than a row goes before it', async () => {
    const known = recognised(12)
    const { grid, cards, thumbnails } = await show(known)
    const before = cards()
    await grid.setProps({ view: arrange(known.slice(4), [], EVERYTHING) })
    await flushPromises()
    const after = cards()
    expect([...after.keys()]).toEqual(['5', '6', '7', '8', '9', '10', '11', '12'])
    for (const [cell, element] of after) expect(element).toBe(before.get(cell))
    expect(thumbnails.want).toHaveBeenCalledTimes(12)
    expect(thumbnails.unwant.mock.calls.flat()).toEqual(['1', '2', '3', '4'])
  })

  it('is of the row in which it lies, for who hears the page', async () => {
    const { grid, card } = await show(recognised(7))
    const owned = grid.findAll('[role=row]').map((row) => row.attributes('aria-owns')?.split(' '))
    expect(owned.map((ids) => ids?.length)).toEqual([3, 3, 1])
    expect(owned[1]?.[1]).toBe(card('5').attributes('id'))
  })
})

describe('a click', () => {
  it('opens an image; on its tick or with a key held it chooses', async () => {
    const { grid, card } = await show(recognised(3))
    await card('1').trigger('click')
    await card('2').find('.check').trigger('click')
    await card('3').trigger('click', { ctrlKey: true })
    await card('1').trigger('click', { shiftKey: true })
    expect(grid.emitted()).toMatchObject({ open: [['1']], toggle: [['2'], ['3']], extend: [['1']] })
  })

  it('chooses while anything is chosen', async () => {
    const { grid, card } = await show(recognised(3))
    await grid.setProps({ chosen: new Set(['2']) })
    await card('1').trigger('click')
    expect(grid.emitted('open')).toBeUndefined()
    expect(grid.emitted('toggle')).toEqual([['1']])
    expect(card('2').attributes('aria-selected')).toBe('true')
  })
})

describe('groups', () => {
  it('have a row with their label and count, which closes and opens them', async () => {
    const { grid, card } = await show([...recognised(4), anImage({ id: '9' })], { grouped: true })
    const header = card(`group:${labelKey(tabby)}`)
    expect(header.text()).toBe('tabby4')
    expect(card('group:unlabelled').text()).toContain('Without a label')
    await header.find('button').trigger('click')
    expect(header.find('button').attributes('aria-expanded')).toBe('false')
    expect(grid.findAll('.card').map((each) => each.attributes('data-image'))).toEqual(['9'])
  })
})

it('files on their way have cards behind the images, and cannot be opened', async () => {
  const file: PendingFile = { key: 'k', file: new File(['x'], 'new.jpg'), state: 'queued', share: 0, problem: null }
  const { grid, card } = await show(recognised(1), {}, [file])
  expect(card('file:k').text()).toContain('new.jpg')
  await card('file:k').trigger('click')
  expect(grid.emitted('open')).toBeUndefined()
})

describe('scrolled into the grid', () => {
  it('what is in sight stays where it is when images come before it', async () => {
    const known = recognised(300)
    const { grid } = await show(known.slice(30))
    const scrolled = vi.spyOn(window, 'scrollTo').mockReturnValue()
    Object.assign(window, { scrollY: 2000 })
    await grid.setProps({ view: arrange(known, [], EVERYTHING) })
    await flushPromises()
    const rows = 10
    const rowHeight = Number.parseInt((grid.element as HTMLElement).style.height) / 100
    expect(scrolled).toHaveBeenCalledExactlyOnceWith({ top: 2000 + rows * rowHeight, behavior: 'instant' })
    Object.assign(window, { scrollY: 0 })
  })

  it('the same card stays in sight when images come one by one', async () => {
    const known = recognised(100)
    const newest = (count: number) => arrange(known.slice(0, count), [], { ...EVERYTHING, sort: 'newest' })
    const { grid } = await show(known)
    await grid.setProps({ view: newest(90) })
    Object.assign(window, { scrollY: 2000 })
    vi.spyOn(window, 'scrollTo').mockImplementation((to) => void Object.assign(window, { scrollY: (to as unknown as ScrollToOptions).top }))
    for (let count = 91; count <= 96; count += 1) {
      await grid.setProps({ view: newest(count) })
      await flushPromises()
    }
    const rowHeight = Number.parseInt((grid.element as HTMLElement).style.height) / 32
    expect(window.scrollY).toBe(2000 + 2 * rowHeight)
    Object.assign(window, { scrollY: 0 })
  })

  it('a view that was asked for is shown from its beginning', async () => {
    const known = recognised(300)
    const { grid } = await show(known)
    const scrolled = vi.spyOn(window, 'scrollTo').mockReturnValue()
    Object.assign(window, { scrollY: 2000 })
    await grid.setProps({ view: arrange(known, [], { ...EVERYTHING, sort: 'newest' }), choices: 1 })
    await flushPromises()
    expect(scrolled).toHaveBeenCalledExactlyOnceWith({ top: 0, behavior: 'instant' })
    Object.assign(window, { scrollY: 0 })
  })
})
