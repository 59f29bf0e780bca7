import { nextTick } from 'vue'
import { expect, it } from 'vitest'
import type { Memory } from '../memory'
import { useLanguage } from './useLanguage'

function aMemory(text: string | null = null): Memory {
  return { recall: () => text, keep: (kept) => void (text = kept) }
}

it('speaks the first language of the browser that it can, and says so to the browser', () => {
  const page = document.createElement('html')
  const language = useLanguage(['fr-CH', 'zh-Hans-CN', 'en'], page, aMemory())
  expect(language.words.value.tag).toBe('zh')
  expect(page.lang).toBe('zh')
})

it('a chosen language comes before those of the browser, also on the next visit', async () => {
  const page = document.createElement('html')
  const memory = aMemory()
  const language = useLanguage(['en'], page, memory)
  language.choose('zh')
  await nextTick()
  expect(language.words.value.shell.newBatch).toBe('新批次')
  expect(page.lang).toBe('zh')
  expect(useLanguage(['en'], page, memory).tag.value).toBe('zh')
})

it('a language that is not spoken here is answered in English, remembered or wanted', () => {
  const page = document.createElement('html')
  expect(useLanguage(['fr'], page, aMemory('klingon')).words.value.tag).toBe('en')
})
