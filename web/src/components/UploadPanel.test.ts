import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import type { Leftovers } from '../composables/useOffers'
import type { PendingFile, UploadSummary } from '../composables/useUploads'
import UploadPanel from './UploadPanel.vue'

interface Own {
  summary?: Partial<UploadSummary>
  leftovers?: Partial<Leftovers>
  failures?: PendingFile[]
  looking?: number
}

function show({ summary = {}, leftovers = {}, failures = [], looking }: Own) {
  const panel = mount(UploadPanel, {
    props: {
      summary: {
        state: 'idle',
        problem: null,
        files: 0,
        bytes: 0,
        doneFiles: 0,
        doneBytes: 0,
        checking: 0,
        failed: failures.length,
        alreadyThere: 0,
        cancelled: 0,
        bytesPerS: null,
        secondsLeft: null,
        ...summary,
      },
      failures,
      looking: looking ?? null,
      leftovers: { leftOut: 0, unreadable: 0, isCut: false, isNoFile: false, ...leftovers },
    },
  })
  const click = async (name: string) => {
    const found = panel.findAll('button').find((button) => button.text() === name || button.attributes('aria-label') === name)
    await found?.trigger('click')
    return found !== undefined
  }
  return { panel, click, section: panel.find('[data-uploads]') }
}

function failed(name: string, code: string): PendingFile {
  return { key: name, file: new File(['x'], name), state: 'failed', share: 0, problem: { code, message: 'it broke' } }
}

const travelling = { state: 'sending', files: 20, doneFiles: 5, bytes: 40_000_000, doneBytes: 10_000_000 } as const

it('there is nothing where there is nothing to say', () => {
  expect(show({}).section.exists()).toBe(false)
})

it('says how far all files are, how fast they go and how long it takes', () => {
  const { panel, section } = show({ summary: { ...travelling, bytesPerS: 2_000_000, secondsLeft: 15, alreadyThere: 238 } })
  expect(section.attributes('data-uploads')).toBe('sending')
  expect(panel.text()).toContain('Sending 5 of 20 files')
  expect(panel.findAll('.facts span').map((fact) => fact.text())).toEqual([
    '10.0 MB of 40.0 MB',
    '2.0 MB/s',
    '15 s left',
    '238 already here',
  ])
  expect(panel.find('progress').attributes('value')).toBe('0.25')
})

it('can be paused, resumed and cancelled', async () => {
  const { panel, click } = show({ summary: travelling })
  expect(await click('Pause')).toBe(true)
  expect(await click('Cancel')).toBe(true)
  expect(panel.emitted()).toMatchObject({ pause: [[]], cancel: [[]] })
  const paused = show({ summary: { ...travelling, state: 'paused' } })
  expect(paused.panel.text()).toContain('Paused with 15 files to go')
  expect(await paused.click('Pause')).toBe(false)
  expect(await paused.click('Resume')).toBe(true)
  expect(paused.panel.emitted('resume')).toHaveLength(1)
})

it('says what it waits for', () => {
  const problem = { code: 'busy', message: 'too much at once' }
  const { panel } = show({ summary: { ...travelling, state: 'waiting', problem } })
  expect(panel.text()).toContain('Waiting for the manager with 15 files to go')
  expect(panel.text()).toContain('The manager is busy. The rest is sent as soon as it has room.')
})

it('says how far it has looked through a folder, and can be stopped', async () => {
  const { panel, click, section } = show({ looking: 4200 })
  expect(section.attributes('data-uploads')).toBe('looking')
  expect(panel.text()).toContain('Looking through the folder … 4,200 files')
  expect(panel.find('progress').attributes('value')).toBeUndefined()
  expect(await click('Cancel')).toBe(true)
})

it('says that it compares before it sends', () => {
  const { panel } = show({ summary: { ...travelling, state: 'checking', checking: 250 } })
  expect(panel.text()).toContain('Comparing 250 files with those that are here already')
})

it('is one quiet line when all is done, which can be dismissed', async () => {
  const { panel, click } = show({ summary: { files: 12, doneFiles: 12, bytes: 5, doneBytes: 5, alreadyThere: 238 } })
  expect(panel.find('progress').exists()).toBe(false)
  expect(panel.text()).toContain('12 files sent')
  expect(panel.text()).toContain('238 already here')
  expect(await click('Dismiss')).toBe(true)
  expect(panel.emitted('clear')).toHaveLength(1)
})

it('says so when all was there already', () => {
  expect(show({ summary: { alreadyThere: 250 } }).panel.text()).toContain('Nothing to send')
})

it('lists what could not be sent, with the reason and what can be done', async () => {
  const { panel, click } = show({ failures: [failed('a.jpg', 'internal'), failed('b.jpg', 'deleted')], summary: { failed: 30 } })
  expect(panel.text()).toContain('30 files could not be sent')
  expect(panel.findAll('li').map((line) => line.text())).toEqual([
    expect.stringMatching(/a\.jpg.*It broke\..*Try again.*Remove/s),
    expect.stringMatching(/b\.jpg.*deleted or moved.*Remove/s),
  ])
  expect(panel.text()).toContain('and 28 more')
  // A file that is gone cannot be tried again.
  expect(await click('Try again: b.jpg')).toBe(false)
  await click('Try again: a.jpg')
  await click('Remove b.jpg')
  await click('Try all again')
  await click('Remove all')
  expect(panel.emitted()).toMatchObject({ retry: [['a.jpg']], dismiss: [['b.jpg']], retryAll: [[]], dismissAll: [[]] })
})

it('says what was left out, what could not be read, and what was no file', () => {
  const notice = (leftovers: Partial<Leftovers>, key: string) => show({ leftovers }).panel.find(`[data-notice=${key}]`).text()
  expect(notice({ leftOut: 10_000 }, 'left-out')).toBe('10,000 other files in the folder are no pictures and were left out.')
  expect(notice({ leftOut: 1 }, 'left-out')).toContain('1 other file in the folder is no picture')
  expect(notice({ unreadable: 2 }, 'unreadable')).toContain('2 files or folders could not be read')
  expect(notice({ isNoFile: true }, 'no-file')).toContain('no file')
  expect(notice({ isCut: true }, 'cut')).toContain('first 200,000 files')
})

it('is read aloud where it changes in kind, and not with each file', () => {
  const spoken = (own: Own) => show(own).panel.find('[role=status]').text()
  expect(spoken({ summary: travelling })).toBe('')
  expect(spoken({ summary: { ...travelling, state: 'paused' } })).toContain('Paused')
  expect(spoken({ summary: { files: 12, doneFiles: 12 } })).toContain('12 files sent')
})

it('a file’s name stands for itself, whatever direction its letters run', () => {
  const { panel } = show({ failures: [failed('غروب الشمس.jpg', 'internal')] })
  expect(panel.find('bdi').text()).toBe('غروب الشمس.jpg')
})
