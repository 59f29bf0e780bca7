import { nextTick } from 'vue'
import { expect, it } from 'vitest'
import type { Memory } from '../memory'
import { useTheme } from './useTheme'

function aMemory(text: string | null = null): Memory {
  return { recall: () => text, keep: (kept) => void (text = kept) }
}

function aPage(): Document {
  const page = document.implementation.createHTMLDocument()
  page.head.innerHTML = `
    <meta name="theme-color" media="(prefers-color-scheme: light)" content="#fff">
    <meta name="theme-color" media="(prefers-color-scheme: dark)" content="#000">`
  return page
}

const frameOf = (page: Document) => [...page.querySelectorAll<HTMLMetaElement>('meta')].map(({ content }) => content)

it('follows the system where nothing was chosen', () => {
  const page = aPage()
  expect(useTheme(page, aMemory()).value).toBe('system')
  expect(page.documentElement.dataset.theme).toBeUndefined()
  expect(frameOf(page)).toEqual(['#fff', '#000'])
})

it('a choice changes page and browser frame, and is there on the next visit', async () => {
  const [page, memory] = [aPage(), aMemory()]
  useTheme(page, memory).value = 'dark'
  await nextTick()
  expect(page.documentElement.dataset.theme).toBe('dark')
  expect(frameOf(page)).toEqual(['#000', '#000'])

  const next = aPage()
  expect(useTheme(next, memory).value).toBe('dark')
  expect(next.documentElement.dataset.theme).toBe('dark')
})

it('going back to the system undoes the choice, and forgets it', async () => {
  const [page, memory] = [aPage(), aMemory('light')]
  useTheme(page, memory).value = 'system'
  await nextTick()
  expect(page.documentElement.dataset.theme).toBeUndefined()
  expect(frameOf(page)).toEqual(['#fff', '#000'])
  expect(memory.recall()).toBeNull()
})

it('what is remembered but is no theme is none', () => {
  expect(useTheme(aPage(), aMemory('purple')).value).toBe('system')
})
