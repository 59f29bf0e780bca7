import { mount } from '@vue/test-utils'
import { nextTick } from 'vue'
import { describe, expect, it } from 'vitest'
import { CLOCK, type Clock } from '../composables/useClock'
import { GLIDE_EVERY_MS } from '../composables/useRates'
import { aHappening, aStatus, aWorker, someCounts } from '../testing'
import { panel as zh } from '../words/zh/panel'
import BatchSummary from './BatchSummary.vue'
import ExportMenu from './ExportMenu.vue'
import HappeningList from './HappeningList.vue'
import LivePanel from './LivePanel.vue'
import ModelLine from './ModelLine.vue'
import QueueLine from './QueueLine.vue'
import WorkerTable from './WorkerTable.vue'

/** A clock that a test moves. */
function aClock() {
  let time = 0
  const ticks = new Set<() => void>()
  const clock: Clock = {
    now: () => time,
    every(_everyMs, tick) {
      ticks.add(tick)
      return () => ticks.delete(tick)
    },
  }
  async function pass(ms: number) {
    time += ms
    for (const tick of ticks) tick()
    await nextTick()
  }
  return { provide: { [CLOCK as symbol]: clock }, pass, ticks }
}

describe('the live panel', () => {
  const props = {
    status: aStatus({ counts: someCounts({ waiting: 2, recognised: 1 }) }),
    workers: [aWorker(), aWorker({ id: 'worker-2', state: 'gone' })],
    model: null,
    pending: 0,
    known: 3,
    isToBeMade: false,
    exportUrl: (format: string) => `/export.${format}`,
  }

  it('moves the curve with the clock, also when nothing comes', async () => {
    const clock = aClock()
    const live = mount(LivePanel, { props, global: { provide: clock.provide } })
    for (let second = 1; second <= 10; second += 1) {
      await clock.pass(1_000)
      await live.setProps({ status: aStatus({ counts: someCounts({ recognised: 1 + 3 * second }) }) })
    }
    expect(live.find('.throughput strong').text()).toBe('3.0')
    const before = live.find('.line').attributes('d')
    await clock.pass(GLIDE_EVERY_MS)
    expect(live.find('.line').attributes('d')).not.toBe(before)
    await clock.pass(6_000)
    expect(live.find('.throughput strong').text()).toBe('0.0')
  })

  it('has a curve of a batch that was over before the manager first spoke of it, if this page has made it', async () => {
    const clock = aClock()
    const live = mount(LivePanel, { props: { ...props, status: null, isToBeMade: true }, global: { provide: clock.provide } })
    await clock.pass(1_000)
    await live.setProps({ status: aStatus({ counts: someCounts({ recognised: 10 }) }), isToBeMade: false })
    await clock.pass(1_000)
    expect(live.find('.throughput strong').text()).toBe('10.0')
  })

  it('says in words what the curve shows', async () => {
    const clock = aClock()
    const live = mount(LivePanel, { props, global: { provide: clock.provide } })
    expect(live.find('svg[role=img]').attributes('aria-label')).toContain('Nothing is known')
    expect(live.find('.nothing').exists()).toBe(true)
    expect(live.find('.line').exists()).toBe(false)
    await clock.pass(1_000)
    await live.setProps({ status: aStatus({ counts: someCounts({ recognised: 5 }) }) })
    await clock.pass(1_000)
    expect(live.find('svg[role=img]').attributes('aria-label')).toMatch(/now 4\.0 images\/s, highest 4\.0/)
    expect(live.find('.nothing').exists()).toBe(false)
  })

  it('gives the figure of the moment that the mouse points at', async () => {
    const clock = aClock()
    const live = mount(LivePanel, { props, global: { provide: clock.provide } })
    for (let second = 1; second <= 40; second += 1) {
      await clock.pass(1_000)
      const recognised = 1 + 4 * Math.min(second, 20)
      await live.setProps({ status: aStatus({ counts: someCounts({ recognised }) }) })
    }
    expect(live.find('.now').text()).toBe('0.0 images/s')
    const chart = live.find('.chart')
    chart.element.getBoundingClientRect = () => ({ left: 0, width: 240 }) as DOMRect
    await chart.trigger('pointermove', { clientX: 180 })
    expect(live.find('.now').text()).toMatch(/30 s ago\s*4\.0 images\/s/)
    await chart.trigger('pointerleave')
    expect(live.find('.now').text()).toBe('0.0 images/s')
  })

  it('folded, still says who works', () => {
    const live = mount(LivePanel, { props })
    expect(live.find('summary').text()).toContain('1 worker')
  })

  it('lets its clocks go with it', () => {
    const clock = aClock()
    mount(LivePanel, { props, global: { provide: clock.provide } }).unmount()
    expect(clock.ticks.size).toBe(0)
  })
})

describe('the table of workers', () => {
  it('says of each how it is, what it holds, how fast it is and its share of the answers', () => {
    const workers = [
      aWorker({ state: 'busy', in_flight: 2, images: 75, images_per_s: 6.42, rtt_ms: 0.31 }),
      aWorker({ id: 'worker-2', state: 'silent', images: 25 }),
    ]
    const rows = mount(WorkerTable, { props: { workers } }).findAll('tr[data-worker]')
    const cells = rows.map((row) => row.findAll('th, td').map((cell) => cell.text().replace(/\s+/g, ' ')))
    expect(cells).toEqual([
      ['worker-1 busy', '2', '6.4', '0.3 ms', '75 %'],
      ['worker-2 not answering', '0', '0.0', '–', '25 %'],
    ])
  })

  it('has the other figures a click away, failures among them', () => {
    const workers = [aWorker({ images: 1234, failures: 3, service_ms: 42, socket_bytes_sent: 3_400_000, retransmissions: 7, window_bytes: 14_480 })]
    const cells = mount(WorkerTable, { props: { workers } }).findAll('details tbody td')
    expect(cells.map((cell) => cell.text().replace(/\s+/g, ' '))).toEqual(['1,234 3 failed', '42 ms', '3.4 MB', '0 B', '7', '14 kB'])
  })

  it('keeps its rows by name, whatever the order of joining', () => {
    const workers = ['worker-10', 'worker-9', 'worker-1'].map((id) => aWorker({ id }))
    const rows = mount(WorkerTable, { props: { workers } }).findAll('tr[data-worker]')
    expect(rows.map((row) => row.attributes('data-worker'))).toEqual(['worker-1', 'worker-9', 'worker-10'])
  })

  it('says when there is none', () => {
    expect(mount(WorkerTable, { props: { workers: [] } }).text()).toContain('None is connected')
  })
})

describe('the summary of a batch', () => {
  const throughput = { images_per_s: 10, file_bits_per_s: 8e6, elapsed_s: 2 }

  it('counts what is uploading, and is not done before it has arrived', () => {
    const summary = mount(BatchSummary, { props: { counts: someCounts({ recognised: 3 }), throughput, pending: 1, known: 3 } })
    expect(summary.find('.title').text()).toBe('3 of 4 pictures done')
    expect(summary.find('.title').attributes('data-done')).toBe('false')
    expect(summary.find('progress').attributes()).toMatchObject({ value: '3', max: '4' })
    expect(summary.text()).toContain('1 uploading')
    expect(summary.find('[role=status]').text()).toBe('')
  })

  it('is said aloud once it is done', () => {
    const summary = mount(BatchSummary, { props: { counts: someCounts({ recognised: 3 }), throughput, pending: 0, known: 3 } })
    expect(summary.find('[role=status]').text()).toBe('All 3 pictures recognised')
    expect(summary.find('.achieved').text()).toBe('2.0 s · 10.0 images/s on average · 8.0 Mbit/s')
  })

  it('is not done while an image is on the page that the counts lack', () => {
    const summary = mount(BatchSummary, { props: { counts: someCounts({ recognised: 3 }), throughput, pending: 0, known: 4 } })
    expect(summary.find('.title').text()).toBe('3 of 4 pictures done')
  })

  it('does not call a batch recognised of which some failed', () => {
    const counts = someCounts({ recognised: 3, failed: 1 })
    expect(mount(BatchSummary, { props: { counts, throughput, pending: 0, known: 4 } }).find('.title').text()).toBe('3 of 4 pictures recognised')
  })
})

describe('the queue', () => {
  it('names this batch only where others wait too', async () => {
    const queue = mount(QueueLine, {
      props: { queue: { waiting: 12, assigned: 3 }, counts: someCounts({ waiting: 8, assigned: 3 }) },
    })
    expect(queue.find('[data-queue=waiting]').text()).toMatch(/12.*8 of this batch/)
    expect(queue.find('[data-queue=assigned]').text()).not.toContain('this batch')
  })
})

describe('what happened', () => {
  const lost = aHappening({ seq: 2, worker: 'worker-2', images: 4, ago_ms: 1_000 })

  it('is told newest first, in words, with how long ago, which goes on', async () => {
    const clock = aClock()
    const joined = aHappening({ seq: 1, kind: 'joined', ago_ms: 125_000 })
    const list = mount(HappeningList, { props: { happenings: [joined, lost] }, global: { provide: clock.provide } })
    const lines = () => list.findAll('[data-happening]').map((line) => line.text())
    expect(lines()).toEqual([
      'worker-2 was lost; its 4 images moved on to others just now',
      'worker-1 joined 2 min ago',
    ])
    await clock.pass(20_000)
    expect(lines()[0]).toContain('20 s ago')
  })

  it('is said aloud when it is bad and new, and not because the page was opened', async () => {
    const list = mount(HappeningList, { props: { happenings: [lost] } })
    expect(list.find('[role=status]').text()).toBe('')
    const back = aHappening({ seq: 3, kind: 'back', worker: 'worker-2' })
    await list.setProps({ happenings: [lost, back] })
    expect(list.find('[role=status]').text()).toBe('')
    const silent = aHappening({ seq: 4, kind: 'silent', worker: 'worker-3' })
    await list.setProps({ happenings: [lost, back, silent] })
    expect(list.find('[role=status]').text()).toBe('worker-3 does not answer')
  })

  it('has the newest few in sight and the others a click away', () => {
    const happenings = Array.from({ length: 20 }, (_, index) => aHappening({ seq: index + 1 }))
    const list = mount(HappeningList, { props: { happenings } })
    expect(list.findAll('section > ul > li')).toHaveLength(4)
    expect(list.find('summary').text()).toBe('16 earlier')
  })

  it('says why a worker was turned away', () => {
    const happenings = [aHappening({ kind: 'refused', detail: 'it holds another model' })]
    expect(mount(HappeningList, { props: { happenings } }).text()).toContain('worker-1 was turned away: it holds another model')
  })
})

describe('the model', () => {
  it('that the manifest does not know is called unverified, and says why when asked', () => {
    const model = { name: 'mine.onnx', digest: 'ab', verified: false, notice: 'mine.onnx is not a published file' }
    const line = mount(ModelLine, { props: { model } })
    expect(line.find('details summary').text()).toContain('unverified')
    expect(line.find('details').text()).toContain('mine.onnx is not a published file.')
    expect(mount(ModelLine, { props: { model: { ...model, verified: true } } }).text()).not.toContain('unverified')
  })

  it('that is built in says which classes it knows', () => {
    const model = { name: 'builtin', digest: 'ab', verified: true, notice: 'no model file was found' }
    const line = mount(ModelLine, { props: { model } })
    expect(line.find('summary').text()).toContain('ten classes')
    expect(line.findAll('.classes li')).toHaveLength(10)
    expect(zh.model.builtinClasses).toHaveLength(10)
  })
})

describe('the export', () => {
  it('is two downloads, and says what they lack while images are unfinished', async () => {
    const menu = mount(ExportMenu, { props: { csvUrl: '/a.csv', jsonUrl: '/a.json', unfinished: 1 } })
    expect(menu.findAll('a[download]').map((link) => link.attributes('href'))).toEqual(['/a.csv', '/a.json'])
    expect(menu.text()).toContain('1 picture is unfinished')
    await menu.setProps({ unfinished: 0 })
    expect(menu.text()).not.toContain('unfinished')
  })
})

it('what happened is said in Chinese as well', () => {
  const lost = aHappening({ worker: 'worker-2', images: 4 })
  expect(zh.happenings.happened(lost)).toBe('worker-2 失去连接；它的 4 张图片已转给其他节点')
  expect(zh.happenings.ago({ unit: 'seconds', count: 20 })).toBe('20 秒前')
})
