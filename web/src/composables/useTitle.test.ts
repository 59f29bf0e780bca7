import { effectScope, nextTick, ref } from 'vue'
import { expect, it, vi } from 'vitest'
import { TITLE_EVERY_MS, useTitle } from './useTitle'

it('the title is set at once, then once a second at most, and ends at the last word', async () => {
  vi.useFakeTimers()
  const count = ref(0)
  const set: string[] = []
  const page = {
    get title() {
      return set.at(-1) ?? ''
    },
    set title(text: string) {
      set.push(text)
    },
  }
  const scope = effectScope()
  scope.run(() => useTitle(() => `${count.value} done`, page))
  for (count.value = 1; count.value < 50; count.value += 1) await nextTick()
  expect(set).toEqual(['0 done'])
  vi.advanceTimersByTime(TITLE_EVERY_MS)
  expect(set).toEqual(['0 done', '50 done'])
  vi.advanceTimersByTime(10 * TITLE_EVERY_MS)
  count.value = 51
  await nextTick()
  expect(set.at(-1)).toBe('51 done')
  scope.stop()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})
