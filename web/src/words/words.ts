/**
 * Everything that the page says, in each language. A language is a folder here with the same rooms as `en/`, each an object
 * of sentences and of functions that make sentences; the compiler refuses one in which a sentence is missing.
 */

import { inject, shallowRef, type InjectionKey, type Ref } from 'vue'
import { gallery } from './en/gallery'
import { panel } from './en/panel'
import { picture } from './en/picture'
import { shared } from './en/shared'
import { shell } from './en/shell'
import { uploads } from './en/uploads'
import { gallery as zhGallery } from './zh/gallery'
import { panel as zhPanel } from './zh/panel'
import { picture as zhPicture } from './zh/picture'
import { shared as zhShared } from './zh/shared'
import { shell as zhShell } from './zh/shell'
import { uploads as zhUploads } from './zh/uploads'

const en = { tag: 'en', shared, shell, uploads, gallery, picture, panel }

/** What the page says in one language. */
export type Words = typeof en

const zh: Words = {
  tag: 'zh',
  shared: zhShared,
  shell: zhShell,
  uploads: zhUploads,
  gallery: zhGallery,
  picture: zhPicture,
  panel: zhPanel,
}

/** The languages by their tag (BCP 47), each under its own name. The first is spoken to those who ask for none of them. */
export const LANGUAGES: readonly { readonly tag: string; readonly name: string; readonly words: Words }[] = [
  { tag: 'en', name: 'English', words: en },
  { tag: 'zh', name: '中文', words: zh },
]

/** The language of a page, provided by `App`. */
export const WORDS: InjectionKey<Readonly<Ref<Words>>> = Symbol('words')

/** What to say, in the language that the page speaks now. A component that stands alone speaks English. */
export function useWords(): Readonly<Ref<Words>> {
  return inject(WORDS, () => shallowRef(en), true)
}

/** What the page says in the language of that tag; in English where there is none such. */
export function wordsIn(tag: string): Words {
  return LANGUAGES.find((language) => language.tag === tag)?.words ?? en
}

/** The first of the wanted tags that is spoken here: `zh-Hant-TW` is answered in `zh`. */
export function bestLanguage(wanted: readonly string[]): string {
  const primary = wanted.map((tag) => tag.toLowerCase().split('-')[0])
  const found = primary.find((tag) => LANGUAGES.some((language) => language.tag === tag))
  return found ?? 'en'
}
