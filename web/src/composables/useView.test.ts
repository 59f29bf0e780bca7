import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, nextTick, ref, shallowReactive, shallowRef, triggerRef } from 'vue'
import type { Memory } from '../memory'
import type { Image } from '../protocol'
import type { WaitingFile } from '../rules/view'
import { anImage } from '../testing'
import { FEW, PAUSE_MS, useView } from './useView'

function aMemory(): Memory {
  let kept: string | null = null
  return { recall: () => kept, keep: (text) => (kept = text) }
}

function setUp(count: number, memory = aMemory(), id = 'b') {
  const images = shallowReactive(new Map<string, Image>())
  const order = shallowRef<string[]>([])
  const batch = { id: ref<string | null>(id), images, order, changes: ref(0) }
  const files = shallowRef<WaitingFile[]>([])
  const take = (image: Image) => {
    if (!images.has(image.id)) order.value.push(image.id)
    images.set(image.id, image)
    triggerRef(order)
    batch.changes.value += 1
  }
  for (let one = 1; one <= count; one += 1) take(anImage({ id: String(one) }))
  const scope = effectScope()
  const view = scope.run(() => useView({ batch, files: () => files.value, memory })) as ReturnType<typeof useView>
  return { ...view, take, files, memory }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a view', () => {
  it('shows what is known at once, and each change of a few images as it comes', async () => {
    const { view, take } = setUp(2)
    expect(view.value.order).toEqual(['1', '2'])
    take(anImage({ id: '3' }))
    await nextTick()
    expect(view.value.order).toEqual(['1', '2', '3'])
  })

  it('of many images is arranged anew now and then, and ends up right', async () => {
    const { view, take } = setUp(FEW + 1)
    const arranged = new Set([view.value])
    for (let seq = 2; seq < 100; seq += 1) {
      take(anImage({ id: '1', seq, state: seq % 2 === 0 ? 'assigned' : 'recognised' }))
      await nextTick()
      arranged.add(view.value)
    }
    expect(arranged.size).toBe(2)
    vi.advanceTimersByTime(PAUSE_MS)
    expect(view.value.counts.recognised).toBe(1)
    vi.advanceTimersByTime(PAUSE_MS)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('follows a choice at once, however many images there are', () => {
    const { view, choose, choices } = setUp(FEW + 1)
    choose({ state: 'failed' })
    expect(view.value.order).toEqual([])
    expect(choices.value).toBe(1)
  })

  it('has the files that are on their way', async () => {
    const { view, files } = setUp(1)
    files.value = [{ key: 'a', file: { name: 'x.jpg' } }]
    await nextTick()
    expect(view.value.files).toEqual(['a'])
  })

  it('shows everything again in the order that was asked for', () => {
    const { view, choose, showAll, settings } = setUp(2)
    choose({ sort: 'newest', threshold: 0.5, search: 'nothing is called so' })
    showAll()
    expect(view.value.order).toEqual(['2', '1'])
    expect(settings.value.threshold).toBe(0.5)
  })
})

describe('what was asked for', () => {
  it('is there again after a reload', () => {
    const { choose, memory } = setUp(2)
    choose({ sort: 'newest', threshold: 0.4 })
    const { settings, view } = setUp(2, memory)
    expect(settings.value).toMatchObject({ sort: 'newest', threshold: 0.4 })
    expect(view.value.order).toEqual(['2', '1'])
  })

  it('hides nothing of another batch', () => {
    const { choose, memory } = setUp(2)
    choose({ state: 'failed' })
    expect(setUp(2, memory, 'another').view.value.order).toEqual(['1', '2'])
  })

  it('is nothing where what was kept cannot be read', () => {
    const memory = aMemory()
    memory.keep('{"batch":')
    expect(setUp(1, memory).settings.value.state).toBe('all')
  })
})
