/** The pieces around the cards: what is asked for, and what is done with chosen images. */

import { flushPromises, mount } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'
import { arrange, EVERYTHING, labelKey, type ViewSettings } from '../rules/view'
import { anImage } from '../testing'
import GalleryToolbar from './GalleryToolbar.vue'
import LabelPicker from './LabelPicker.vue'
import SelectionBar from './SelectionBar.vue'

const tabby = { index: 281, name: 'tabby, tabby cat', probability: 0.9 }
const beagle = { index: 162, name: 'beagle', probability: 0.4 }

describe('the toolbar', () => {
  const images = [
    anImage({ id: '1', state: 'recognised', labels: [tabby] }),
    anImage({ id: '2', state: 'recognised', labels: [beagle] }),
    anImage({ id: '3', state: 'failed' }),
  ]
  function show(own: Partial<ViewSettings> = {}) {
    const settings = { ...EVERYTHING, ...own }
    return mount(GalleryToolbar, { props: { settings, view: arrange(images, [], settings), total: 3 } })
  }

  it('offers the states of which there is an image, with their counts', () => {
    const states = show().findAll('.states button').map((button) => button.text().replace(/\s+/g, ' '))
    expect(states).toEqual(['All 3', 'Recognised 2', 'Failed 1'])
    expect(show({ threshold: 0.5 }).find('.states').text()).toContain('Not sure')
  })

  it('keeps offering the state that was asked for when its last image has gone', () => {
    expect(show({ state: 'waiting' }).find('[aria-pressed=true]').text()).toContain('Waiting')
  })

  it('asks for what a person chooses', async () => {
    const toolbar = show()
    await toolbar.find('input[type=search]').setValue('cat')
    await toolbar.find('select').setValue('newest')
    await toolbar.find('input[type=range]').setValue('45')
    await toolbar.find('input[type=checkbox]').setValue(true)
    await toolbar.findAll('.states button')[2]?.trigger('click')
    expect(toolbar.emitted('choose')).toEqual([
      [{ search: 'cat' }],
      [{ sort: 'newest' }],
      [{ threshold: 0.45 }],
      [{ grouped: true }],
      [{ state: 'failed' }],
    ])
  })

  it('says how many of all are shown, and shows all again, only when some are hidden', async () => {
    expect(show().find('.result').text()).not.toContain('Show all')
    const narrowed = show({ state: 'failed' })
    expect(narrowed.find('[role=status]').text()).toBe('1 of 3 pictures')
    await narrowed.find('.result button').trigger('click')
    expect(narrowed.emitted('showAll')).toHaveLength(1)
  })

  it('says on the button of a narrow window how much is asked for behind it, and opens by it', async () => {
    expect(show({ search: 'cat', state: 'failed' }).find('.unfold').text()).toBe('Filters')
    const toolbar = show({ sort: 'newest', threshold: 0.5 })
    const button = toolbar.find('.unfold')
    expect(button.text()).toBe('Filters (2)')
    const fields = toolbar.find(`[id="${button.attributes('aria-controls')}"]`)
    expect(fields.findAll('select, input')).toHaveLength(3)
    expect([button.attributes('aria-expanded'), fields.classes('unfolded')]).toEqual(['false', false])
    await button.trigger('click')
    expect([button.attributes('aria-expanded'), fields.classes('unfolded')]).toEqual(['true', true])
  })

  it('has a name for every control', () => {
    const toolbar = show()
    for (const control of toolbar.findAll('input, select')) {
      expect(control.element.closest('label')?.textContent?.trim()).not.toBe('')
    }
  })
})

describe('the list of labels', () => {
  const labels = [
    { key: labelKey(tabby), label: tabby, count: 12 },
    { key: labelKey(beagle), label: beagle, count: 3 },
  ]
  async function opened(own: { labels?: typeof labels; chosen?: string | null } = {}) {
    const picker = mount(LabelPicker, { attachTo: document.body, props: { labels, chosen: null, ...own } })
    await picker.find('button').trigger('click')
    await flushPromises()
    return picker
  }
  const options = (picker: Awaited<ReturnType<typeof opened>>) => picker.findAll('[role=option]').map((option) => option.text())

  it('shows each with its count, and all of them first', async () => {
    expect(options(await opened())).toEqual(['All labels', 'tabby12', 'beagle3'])
  })

  it('is searched by any of a label\'s names', async () => {
    const picker = await opened()
    await picker.find('input').setValue('CAT')
    expect(options(picker)).toEqual(['tabby12'])
    await picker.find('input').setValue('zebra')
    expect(picker.text()).toContain('No such label')
  })

  it('is used by keyboard alone', async () => {
    const picker = await opened()
    const field = picker.find('input')
    await field.trigger('keydown', { key: 'ArrowDown' })
    expect(picker.find(`#${field.attributes('aria-activedescendant')}`).text()).toBe('tabby12')
    await field.trigger('keydown', { key: 'Enter' })
    expect(picker.emitted('choose')).toEqual([[labelKey(tabby)]])
    expect(picker.find('[role=listbox]').exists()).toBe(false)
    expect(document.activeElement).toBe(picker.find('button').element)
  })

  it('closes by Escape with nothing chosen', async () => {
    const picker = await opened()
    await picker.find('input').trigger('keydown', { key: 'Escape' })
    expect(picker.find('[role=listbox]').exists()).toBe(false)
    expect(picker.emitted('choose')).toBeUndefined()
  })

  it('of a thousand labels lists the most frequent, and says that there are more', async () => {
    const many = Array.from({ length: 1000 }, (_, index) => ({ key: `${index} l`, label: { ...beagle, index }, count: 1 }))
    const picker = await opened({ labels: many })
    expect(options(picker).length).toBeLessThan(100)
    expect(picker.text()).toContain('940 more')
  })

  it('names the chosen label also when no image has it any more', async () => {
    const picker = await opened({ labels: [], chosen: '7 red fox, Vulpes vulpes' })
    expect(picker.find('button').text()).toContain('red fox')
  })
})

describe('what can be done with chosen images', () => {
  const nothing = { count: 0, hidden: 0, doable: { retry: 0, cancel: 0, delete: 0 }, doing: null, outcome: null }
  const show = (own: object) => mount(SelectionBar, { attachTo: document.body, props: { ...nothing, ...own } })

  it('is not shown when none is chosen', () => {
    expect(show({}).find('[data-selection]').exists()).toBe(false)
  })

  it('is offered with the number to which it can be done, and only where it can', () => {
    const bar = show({ count: 12, hidden: 3, doable: { retry: 10, cancel: 0, delete: 12 } })
    expect(bar.find('.count').text()).toBe('12 selected · 3 of them not shown')
    expect(bar.findAll('.deeds button').map((button) => button.text())).toEqual(['Run 10 again', 'Delete'])
  })

  it('is not deleting before a person has said so twice', async () => {
    const bar = show({ count: 2, doable: { retry: 0, cancel: 0, delete: 2 } })
    await bar.find('.danger').trigger('click')
    const dialog = bar.find('dialog')
    expect(dialog.attributes('open')).toBeDefined()
    expect(dialog.text()).toContain('Delete 2 pictures?')
    const element = dialog.element as HTMLDialogElement
    element.close('keep')
    await flushPromises()
    expect(bar.emitted('perform')).toBeUndefined()
    await bar.find('.danger').trigger('click')
    element.close('delete')
    await flushPromises()
    expect(bar.emitted('perform')).toEqual([['delete']])
  })

  it('cannot be asked for twice at once', () => {
    const bar = show({ count: 2, doable: { retry: 2, cancel: 0, delete: 2 }, doing: 'retry' })
    expect(bar.findAll('.deeds button').every((button) => button.attributes('disabled') !== undefined)).toBe(true)
  })

  it('is said afterwards, with what was refused and why', () => {
    const outcome = { deed: 'cancel', done: 3, refused: 2, problem: null }
    expect(show({ outcome }).find('[role=status]').text()).toBe('3 pictures cancelled. 2 pictures had ended already, or had gone.')
    const problem = { code: 'unreachable', message: 'the manager cannot be reached' }
    expect(show({ outcome: { ...outcome, problem } }).find('[role=status]').text()).toBe('The manager cannot be reached.')
  })
})
