import { enableAutoUnmount, flushPromises, mount } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Offering } from '../rules/offering'
import DropZone from './DropZone.vue'

enableAutoUnmount(afterEach)

const cat = new File(['x'], 'cat.jpg')
const dog = new File(['x'], 'dog.jpg')

function show() {
  const zone = mount(DropZone, { props: { compact: false }, attachTo: document.body })
  /** What was offered, by name; null where there was no file. */
  async function offered() {
    const offers = (zone.emitted('offered') ?? []) as [Offering | null][]
    return Promise.all(offers.map(([offering]) => (offering === null ? null : names(offering))))
  }
  return { zone, offered }
}

async function names(offering: Offering): Promise<string[]> {
  const found: string[] = []
  for await (const { files } of offering) found.push(...files.map(({ file }) => file.name))
  return found
}

/** A drag event as a browser makes it, which happy-dom does not. */
function drag(type: string, files: File[], types = ['Files']) {
  const event = new Event(type, { cancelable: true, bubbles: true })
  const items = files.map((file) => ({ kind: 'file', webkitGetAsEntry: () => null, getAsFile: () => file }))
  return Object.assign(event, { dataTransfer: { types, items, dropEffect: 'none' }, relatedTarget: null })
}

const paste = (files: File[]) => window.dispatchEvent(Object.assign(new Event('paste'), { clipboardData: { files } }))

describe('pictures come in', () => {
  it('dropped anywhere on the page', async () => {
    const { zone, offered } = show()
    document.body.dispatchEvent(drag('dragover', [cat]))
    await flushPromises()
    expect(zone.text()).toContain('Let go')
    const drop = drag('drop', [cat, dog])
    document.body.dispatchEvent(drop)
    await flushPromises()
    // Otherwise the browser would leave the page to show the file.
    expect(drop.defaultPrevented).toBe(true)
    expect(zone.text()).not.toContain('Let go')
    expect(await offered()).toEqual([['cat.jpg', 'dog.jpg']])
  })

  it('chosen, and the same file once more', async () => {
    const { zone, offered } = show()
    const input = zone.find<HTMLInputElement>('input[type=file]:not([webkitdirectory])')
    const emptied = vi.fn()
    Object.defineProperty(input.element, 'value', { set: emptied })
    for (let turn = 0; turn < 2; turn += 1) {
      Object.defineProperty(input.element, 'files', { value: [cat], configurable: true })
      await input.trigger('change')
    }
    expect(await offered()).toEqual([['cat.jpg'], ['cat.jpg']])
    // A browser tells of no change while the input still holds the same file.
    expect(emptied.mock.calls).toEqual([[''], ['']])
  })

  it('pasted', async () => {
    const { offered } = show()
    paste([cat])
    expect(await offered()).toEqual([['cat.jpg']])
  })
})

it('a drag that is given up leaves nothing behind, also where a browser does not tell of it', async () => {
  const { zone } = show()
  for (const end of [drag('dragleave', []), new Event('pointermove', { bubbles: true })]) {
    document.body.dispatchEvent(drag('dragover', [cat]))
    await flushPromises()
    expect(zone.text()).toContain('Let go')
    document.body.dispatchEvent(end)
    await flushPromises()
    expect(zone.text()).not.toContain('Let go')
  }
})

it('both buttons open what they name', async () => {
  Object.defineProperty(HTMLInputElement.prototype, 'webkitdirectory', { value: false, writable: true, configurable: true })
  const { zone } = show()
  const opened: string[] = []
  for (const input of zone.findAll<HTMLInputElement>('input[type=file]')) {
    input.element.click = () => opened.push(input.element.webkitdirectory ? 'folder' : 'pictures')
  }
  for (const button of zone.findAll('button')) await button.trigger('click')
  expect(zone.findAll('button').map((button) => button.text())).toEqual(['Choose pictures', 'Choose a folder'])
  expect(opened).toEqual(['pictures', 'folder'])
  Reflect.deleteProperty(HTMLInputElement.prototype, 'webkitdirectory')
})

it('a link or a picture of a web page is no file, and the page is not left for it', async () => {
  const { zone, offered } = show()
  const types = ['text/uri-list', 'text/html']
  const over = drag('dragover', [], types)
  document.body.dispatchEvent(over)
  await flushPromises()
  expect(zone.text()).not.toContain('Let go')
  const drop = drag('drop', [], types)
  document.body.dispatchEvent(drop)
  expect([over.defaultPrevented, drop.defaultPrevented]).toEqual([true, true])
  expect(await offered()).toEqual([null])
})

it('what is dragged from the page itself is not sent to it', async () => {
  const { offered } = show()
  document.body.dispatchEvent(new Event('dragstart', { bubbles: true }))
  document.body.dispatchEvent(drag('drop', [cat]))
  document.body.dispatchEvent(new Event('dragend', { bubbles: true }))
  expect(await offered()).toEqual([])
  document.body.dispatchEvent(drag('drop', [dog]))
  expect(await offered()).toEqual([['dog.jpg']])
})

it('text that is dragged to where one types, or pasted, is left alone', async () => {
  const { offered } = show()
  const search = document.body.appendChild(document.createElement('input'))
  const [over, drop] = [drag('dragover', [], ['text/plain']), drag('drop', [], ['text/plain'])]
  search.dispatchEvent(over)
  search.dispatchEvent(drop)
  paste([])
  expect([over.defaultPrevented, drop.defaultPrevented]).toEqual([false, false])
  expect(await offered()).toEqual([])
  search.remove()
})
