import { enableAutoUnmount, flushPromises, mount } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Offered } from '../rules/files'
import DropZone from './DropZone.vue'

enableAutoUnmount(afterEach)

const cat = new File(['x'], 'cat.jpg')
const dog = new File(['x'], 'dog.jpg')

function show() {
  const zone = mount(DropZone, { props: { compact: false } })
  const offered = () => (zone.emitted<[Offered[]]>('offered') ?? []).map(([files]) => files.map(({ file }) => file?.name))
  return { zone, offered }
}

/** A drag event as a browser makes it, which happy-dom does not. */
function drag(type: string, files: File[], types = ['Files']) {
  const event = new Event(type, { cancelable: true })
  const dataTransfer = { files, types, items: files.map(() => ({ webkitGetAsEntry: () => null })), dropEffect: 'none' }
  return Object.assign(event, { dataTransfer, relatedTarget: null })
}

describe('pictures come in', () => {
  it('dropped anywhere on the page', async () => {
    const { zone, offered } = show()
    window.dispatchEvent(drag('dragover', [cat]))
    await flushPromises()
    expect(zone.classes()).toContain('over')
    const drop = drag('drop', [cat, dog])
    window.dispatchEvent(drop)
    await flushPromises()
    // Otherwise the browser would leave the page to show the file.
    expect(drop.defaultPrevented).toBe(true)
    expect(zone.classes()).not.toContain('over')
    expect(offered()).toEqual([['cat.jpg', 'dog.jpg']])
  })

  it('chosen, and the same file once more', async () => {
    const { zone, offered } = show()
    const input = zone.find<HTMLInputElement>('input[type=file]')
    const emptied = vi.fn()
    Object.defineProperty(input.element, 'value', { set: emptied })
    for (let turn = 0; turn < 2; turn += 1) {
      Object.defineProperty(input.element, 'files', { value: [cat], configurable: true })
      await input.trigger('change')
    }
    expect(offered()).toEqual([['cat.jpg'], ['cat.jpg']])
    // A browser tells of no change while the input still holds the same file.
    expect(emptied.mock.calls).toEqual([[''], ['']])
  })

  it('pasted', () => {
    const { offered } = show()
    window.dispatchEvent(Object.assign(new Event('paste'), { clipboardData: { files: [cat] } }))
    expect(offered()).toEqual([['cat.jpg']])
  })
})

it('text that is dragged or pasted is left alone', async () => {
  const { zone, offered } = show()
  const over = drag('dragover', [], ['text/plain'])
  window.dispatchEvent(over)
  window.dispatchEvent(Object.assign(new Event('paste'), { clipboardData: { files: [] } }))
  await flushPromises()
  expect(over.defaultPrevented).toBe(false)
  expect(zone.classes()).not.toContain('over')
  expect(offered()).toEqual([])
})
