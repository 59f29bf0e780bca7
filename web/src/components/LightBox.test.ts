import { enableAutoUnmount, flushPromises, mount } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { nextTick, shallowReactive } from 'vue'
import { RequestError } from '../api'
import type { Image } from '../protocol'
import { anImage } from '../testing'
import LightBox from './LightBox.vue'
import TimeSplit from './TimeSplit.vue'
import WireUse from './WireUse.vue'

enableAutoUnmount(afterEach)

const labels = [
  { index: 281, name: 'tabby, tabby cat', probability: 0.61 },
  { index: 282, name: 'tiger cat', probability: 0.2 },
]

function open(own: Partial<Image> = {}, props: Record<string, unknown> = {}) {
  const images = shallowReactive(new Map<string, Image>())
  for (const id of ['7', '3', '9']) images.set(id, anImage({ id, name: `${id}.jpg`, state: 'recognised', labels }))
  images.set('3', anImage({ id: '3', name: '3.jpg', state: 'recognised', labels, ...own }))
  const runAgain = vi.fn(async () => {})
  const remove = vi.fn(async () => {})
  const box = mount(LightBox, {
    attachTo: document.body,
    props: {
      id: '3',
      order: ['7', '3', '9'],
      images,
      localUrl: () => undefined,
      thumbnailUrl: (id: string) => `/thumbnails/${id}`,
      fileUrl: (id: string) => `/files/${id}`,
      threshold: 0.5,
      runAgain,
      remove,
      ...props,
    },
  })
  return { box, images, runAgain, remove }
}

describe('the large view', () => {
  it('is a modal dialog that ends with Escape', async () => {
    const { box } = open()
    const dialog = box.find('dialog').element as HTMLDialogElement
    expect(dialog.open).toBe(true)
    dialog.close()
    expect(box.emitted('close')).toHaveLength(1)
  })

  it('says that files are on their way that were dropped upon it', async () => {
    const { box } = open()
    expect(box.find('[data-unsent]').exists()).toBe(false)
    await box.setProps({ unsent: 4 })
    expect(box.find('[data-unsent]').text()).toBe('4 uploading')
  })

  it('shows the small picture until the whole one is there', async () => {
    const { box } = open()
    expect(box.find('[data-photo]').attributes('data-photo')).toBe('loading')
    expect(box.find('img.small').attributes('src')).toBe('/thumbnails/3')
    await box.find('img.whole').trigger('load')
    expect(box.find('[data-photo]').attributes('data-photo')).toBe('whole')
    expect(box.find('img.small').exists()).toBe(false)
  })

  it('stays with the small picture, and says so, where the browser cannot show the file', async () => {
    const { box } = open()
    await box.find('img.whole').trigger('error')
    expect(box.find('[data-photo]').attributes('data-photo')).toBe('small')
    expect(box.text()).toContain('cannot show the file itself')
    await box.find('img.small').trigger('error')
    expect(box.find('[data-photo]').attributes('data-photo')).toBe('none')
    expect(box.text()).toContain('There is no picture to show')
  })

  it('says where an answer comes from a smaller form, and nothing where it comes from the file', () => {
    const sent = (own: Partial<Image>) => open(own).box.find('[data-fact="sent"]')
    expect(sent({ bytes: 100_000, form_bytes: 12_000 }).text()).toContain('a smaller form, 12 kB')
    expect(sent({ bytes: 100_000, form_bytes: 100_000 }).exists()).toBe(false)
    expect(sent({ bytes: 100_000, form_bytes: null }).exists()).toBe(false)
  })

  it('shows the local file where the manager has refused it', () => {
    const { box } = open({ state: 'rejected', labels: [] }, { localUrl: () => 'blob:1' })
    expect(box.findAll('.photo img').map((picture) => picture.attributes('src'))).toEqual(['blob:1', 'blob:1'])
    expect(box.text()).not.toContain('Original file')
  })

  it('asks the manager when the local file is no longer there', async () => {
    const { box } = open({}, { localUrl: () => 'blob:1' })
    await box.find('img.whole').trigger('error')
    expect(box.find('img.whole').attributes('src')).toBe('/files/3')
  })

  it.each([
    ['ArrowRight', '9'],
    ['ArrowLeft', '7'],
  ])('turns with %s in the order of the view', async (key, to) => {
    const { box } = open()
    await box.find('dialog').trigger('keydown', { key })
    expect(box.emitted('show')).toEqual([[to]])
  })

  it('turns with the buttons, and not beyond the ends', async () => {
    const { box } = open({}, { order: ['7', '3'] })
    await box.find('.next').trigger('click')
    expect(box.emitted('show')).toBeUndefined()
    expect(box.find('.next').attributes('aria-disabled')).toBe('true')
    await box.find('.previous').trigger('click')
    expect(box.emitted('show')).toEqual([['7']])
  })

  it('turns with a stroke of a finger', async () => {
    const { box } = open()
    const finger = { pointerType: 'touch', pointerId: 1, isPrimary: true }
    await box.find('.photo').trigger('pointerdown', { ...finger, clientX: 300, clientY: 200 })
    await box.find('.photo').trigger('pointerup', { ...finger, clientX: 180, clientY: 205 })
    expect(box.emitted('show')).toEqual([['9']])
  })

  it('fetches the neighbours once the photo is there', async () => {
    const fetched: string[] = []
    const create = document.createElement.bind(document)
    vi.spyOn(document, 'createElement').mockImplementation((tag: string) => {
      const element = create(tag)
      if (tag === 'img') Object.defineProperty(element, 'src', { set: (url: string) => fetched.push(url) })
      return element
    })
    const { box } = open()
    fetched.length = 0
    await box.find('img.whole').trigger('load')
    expect(fetched).toEqual(['/files/9', '/files/7'])
  })

  it('calls a weak best guess not sure, and why', async () => {
    const { box } = open({}, { threshold: 0.7 })
    expect(box.find('.unsure').text()).toContain('Not sure')
    expect(box.find('.unsure').text()).toContain('61.0 %')
    await box.setProps({ threshold: 0.6 })
    expect(box.find('.unsure').exists()).toBe(false)
  })

  it('follows the image while it changes', async () => {
    const { box, images } = open({ state: 'waiting', labels: [] })
    expect(box.text()).toContain('The answer appears here')
    images.set('3', anImage({ id: '3', state: 'recognised', labels, worker: 'worker-2', model: 'GoogLeNet', attempts: 2 }))
    await nextTick()
    expect(box.find('.top-five li').text()).toContain('tabby')
    expect(box.find('[data-fact=worker]').text()).toContain('worker-2')
    expect(box.find('[data-fact=model]').text()).toContain('GoogLeNet')
    expect(box.find('[data-fact=attempts]').text()).toContain('2')
  })

  it('says that the image was deleted, and still has its neighbours', async () => {
    const { box, images } = open()
    box.find<HTMLElement>('[data-act=delete]').element.focus()
    images.delete('3')
    await box.setProps({ order: ['7', '9'] })
    // The focus has not gone with what had it: the keys still turn.
    expect(document.activeElement).toBe(box.find('dialog').element)
    expect(box.text()).toContain('This picture was deleted')
    await box.find('dialog').trigger('keydown', { key: 'ArrowRight' })
    expect(box.emitted('show')).toEqual([['9']])
  })

  it('runs an image again, and says so when that fails', async () => {
    const { box, runAgain } = open()
    runAgain.mockRejectedValueOnce(new RequestError(503, 'not_ready', 'the manager is shutting down'))
    await box.find('[data-act=run-again]').trigger('click')
    await flushPromises()
    expect(runAgain).toHaveBeenCalledWith('3')
    expect(box.find('.problem').text()).toBe('The manager is shutting down.')
  })

  it('offers no second run to an image that was refused or has not ended', () => {
    expect(open({ state: 'rejected' }).box.find('[data-act=run-again]').exists()).toBe(false)
    expect(open({ state: 'assigned' }).box.find('[data-act=run-again]').exists()).toBe(false)
  })

  it('deletes only when asked twice, and goes on to the next picture', async () => {
    const { box, remove } = open()
    await box.find('[data-act=delete]').trigger('click')
    expect(remove).not.toHaveBeenCalled()
    await nextTick()
    expect(document.activeElement).toBe(box.find('[data-act=keep]').element)
    await box.find('[data-act=delete-for-good]').trigger('click')
    await flushPromises()
    expect(remove).toHaveBeenCalledWith('3')
    expect(box.emitted('show')).toEqual([['9']])
  })

  it('closes after the last picture is deleted', async () => {
    const { box } = open({}, { order: ['3'] })
    await box.find('[data-act=delete]').trigger('click')
    await box.find('[data-act=delete-for-good]').trigger('click')
    await flushPromises()
    expect(box.emitted('close')).toHaveLength(1)
  })
})

describe('the split of an image\'s time', () => {
  const timing = {
    upload: null,
    waiting: 40.16,
    sending: 0.44,
    receive: 0.14,
    worker_queue: 0,
    decoding: 2.94,
    inference: 21.74,
    returning: 0.14,
    total: 65.56,
  }

  it('is a table whose figures sum to its total, with what is not known as a dash', () => {
    const rows = mount(TimeSplit, { props: { timing } }).findAll('tr[data-part]')
    const figures = Object.fromEntries(rows.map((row) => [row.attributes('data-part'), row.find('td').text()]))
    expect(figures.upload).toBe('–')
    const parts = Object.entries(figures).filter(([name]) => name !== 'total' && name !== 'upload')
    const sum = parts.reduce((all, [, figure]) => all + Number(figure), 0)
    expect(`${sum.toFixed(1)} ms`).toBe(figures.total)
  })

  it('draws each part that there was', () => {
    const drawn = mount(TimeSplit, { props: { timing } }).findAll('.bar i')
    expect(drawn.map((part) => part.attributes('data-name'))).toEqual(['waiting', 'sending', 'receive', 'decoding', 'inference', 'returning'])
  })

  it('is not there before the image has ended', () => {
    expect(mount(TimeSplit, { props: { timing: anImage().timing_ms } }).find('section').exists()).toBe(false)
  })
})

describe('what the wire carried of an image', () => {
  const wire = { bytes_sent: 104_000, bytes_resent: 4_000, rtt_ms: 21.4, window_bytes: 14_480, delivery_bits_per_s: null }

  it('says how much was sent, how much of it again, and how the connection was, but for what is not known', () => {
    const facts = mount(WireUse, { props: { wire } }).findAll('[data-fact]')
    const said = Object.fromEntries(facts.map((fact) => [fact.attributes('data-fact'), fact.find('dd').text()]))
    expect(said).toEqual({ sent: '104 kB', resent: '4 kB (3.8 %)', rtt: '21 ms', window: '14 kB' })
  })

  it('is not there where nothing is known', () => {
    expect(mount(WireUse, { props: { wire: null } }).find('section').exists()).toBe(false)
  })
})
