import { mount } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'
import { aWorker, someCounts } from '../testing'
import BatchSummary from './BatchSummary.vue'
import ModelLine from './ModelLine.vue'
import NoticeList from './NoticeList.vue'
import WorkerTable from './WorkerTable.vue'

describe('the table of workers', () => {
  it('says of each how it is, what it holds and how fast it is', () => {
    const workers = [
      aWorker({ state: 'busy', in_flight: 2, images: 1234, images_per_s: 6.42, rtt_ms: 0.31 }),
      aWorker({ id: 'worker-2', state: 'silent', failures: 3 }),
    ]
    const rows = mount(WorkerTable, { props: { workers } }).findAll('tbody tr')
    const cells = rows.map((row) => row.findAll('th, td').map((cell) => cell.text().replace(/\s+/g, ' ')))
    expect(cells).toEqual([
      ['worker-1 busy', '2', '1,234', '6.4', '0.3 ms'],
      ['worker-2 not answering', '0', '0 3 failed', '0.0', '–'],
    ])
  })

  it('keeps its rows by name, whatever the order of joining', () => {
    const workers = ['worker-10', 'worker-9', 'worker-1'].map((id) => aWorker({ id }))
    const rows = mount(WorkerTable, { props: { workers } }).findAll('tbody tr')
    expect(rows.map((row) => row.attributes('data-worker'))).toEqual(['worker-1', 'worker-9', 'worker-10'])
  })

  it('says when there is none', () => {
    expect(mount(WorkerTable, { props: { workers: [] } }).text()).toContain('None is connected')
  })
})

describe('the summary of a batch', () => {
  const throughput = { images_per_s: 10, file_bits_per_s: 8e6, elapsed_s: 2 }

  it('counts what is uploading, and is not done before it has arrived', () => {
    const summary = mount(BatchSummary, { props: { counts: someCounts({ recognised: 3 }), throughput, pending: 1 } })
    expect(summary.find('.title').text()).toBe('3 of 4 pictures done')
    expect(summary.find('progress').attributes()).toMatchObject({ value: '3', max: '4' })
    expect(summary.text()).toContain('1 uploading')
    expect(summary.find('[role=status]').text()).toBe('')
  })

  it('is said aloud once it is done', () => {
    const summary = mount(BatchSummary, { props: { counts: someCounts({ recognised: 3 }), throughput, pending: 0 } })
    expect(summary.find('[role=status]').text()).toBe('All 3 pictures recognised')
    expect(summary.find('.throughput').text()).toBe('10.0 images/s · 8.0 Mbit/s of image files · 2.0 s')
  })
})

describe('notices', () => {
  it('have a live region also before there are any, so that the first is heard', () => {
    const list = mount(NoticeList, { props: { notices: [], canTryNow: false } })
    expect(list.attributes('aria-live')).toBe('polite')
  })

  it('offer to try the connection now', async () => {
    const notices = [{ key: 'unreachable', tone: 'bad' as const, words: 'Lost.' }]
    const list = mount(NoticeList, { props: { notices, canTryNow: true } })
    await list.find('button').trigger('click')
    expect(list.emitted('tryNow')).toHaveLength(1)
  })
})

it('a model that the manifest does not know is called unverified', () => {
  const model = { name: 'mine.onnx', digest: 'ab', verified: false, notice: null }
  expect(mount(ModelLine, { props: { model } }).text()).toContain('unverified')
  expect(mount(ModelLine, { props: { model: { ...model, verified: true } } }).text()).not.toContain('unverified')
})
