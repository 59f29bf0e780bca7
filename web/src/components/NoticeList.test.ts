import { mount } from '@vue/test-utils'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { CLOCK, type Clock } from '../composables/useClock'
import type { Notice } from '../rules/notices'
import NoticeList from './NoticeList.vue'

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 100_000 }))
afterEach(() => void vi.useRealTimers())

function aNotice(own: Partial<Notice> = {}): Notice {
  return { key: 'stuck', tone: 'active', words: 'No worker is connected.', more: null, remedy: null, ...own }
}

it('the list is there also before any notice, so that the first is read aloud', () => {
  const list = mount(NoticeList, { props: { notices: [], outage: null } })
  expect(list.attributes('role')).toBe('status')
})

it('each remedy is a button of its own', async () => {
  const notices = [aNotice({ key: 'unreachable', remedy: 'try-now' }), aNotice({ key: 'outdated', remedy: 'reload' }), aNotice()]
  const list = mount(NoticeList, { props: { notices, outage: null } })
  for (const button of list.findAll('button')) await button.trigger('click')
  expect(list.emitted('remedy')).toEqual([['try-now'], ['reload']])
})

it('how long the manager has been away, and when it is tried next, ticks unheard', async () => {
  let tick = () => {}
  const clock: Clock = { now: () => 0, every: (_everyMs, given) => ((tick = given), () => {}) }
  const list = mount(NoticeList, {
    props: { notices: [aNotice({ remedy: 'try-now' })], outage: { since: 95_000, nextTry: 102_000 } },
    global: { provide: { [CLOCK as symbol]: clock } },
  })
  const ticking = list.find('[aria-hidden=true]')
  expect(ticking.text()).toBe('Away for 5 s. Next try in 2 s.')
  vi.setSystemTime(102_500)
  tick()
  await nextTick()
  expect(ticking.text()).toBe('Away for 8 s. Trying now …')
})

it('what is to be typed is set as such, and more is there for who wants to know', () => {
  const notices = [aNotice({ more: { title: 'How', words: 'Run `manyeyes model pull`, please.', quoted: null } })]
  const list = mount(NoticeList, { props: { notices, outage: null } })
  expect(list.find('code').text()).toBe('manyeyes model pull')
  expect(list.find('details p').text()).toBe('Run manyeyes model pull, please.')
})
