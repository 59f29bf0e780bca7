/** What only the DevTools protocol can do or tell: drops from the desktop, slow links and processors, tasks, memory, weight. */

import type { CDPSession, Page } from '@playwright/test'

/** The page's share of memory, after its garbage was collected. */
export interface Memory {
  /** Nodes of all documents of the page, those of text included. */
  readonly nodes: number
  readonly heapBytes: number
}

/** What loading a page has cost. */
export interface Load {
  readonly requests: number
  /** As they came over the wire: compressed, with the heads of the answers. */
  readonly bytes: number
}

/** A link, in both directions. */
export interface Link {
  readonly latencyMs: number
  readonly bytesPerSecond: number
}

/** Drops files and folders of this computer on the page, as the browser is told of them by a desktop. */
export async function drop(page: Page, paths: string[]): Promise<void> {
  await drag(page, paths, ['dragEnter', 'dragOver', 'drop'])
}

/** Drags files over the page, and neither drops them nor leaves. */
export async function dragOver(page: Page, paths: string[]): Promise<void> {
  await drag(page, paths, ['dragEnter', 'dragOver'])
}

/** Puts the page behind a slow link. Gives what takes it away again. */
export async function slowLink(page: Page, { latencyMs, bytesPerSecond }: Link): Promise<() => Promise<void>> {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Network.enable')
  await devtools.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: latencyMs,
    downloadThroughput: bytesPerSecond,
    uploadThroughput: bytesPerSecond,
  })
  // What was emulated for a session ends with it.
  return () => devtools.detach()
}

/** Makes the processor so many times as slow for the page, for as long as `what` takes. */
export async function withSlowCpu<T>(page: Page, times: number, what: () => Promise<T>): Promise<T> {
  return during(page, async (devtools) => {
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: times })
    return what()
  })
}

/** The page's memory now. */
export async function memory(page: Page): Promise<Memory> {
  return during(page, async (devtools) => {
    await devtools.send('Performance.enable')
    await devtools.send('HeapProfiler.collectGarbage')
    const { metrics } = await devtools.send('Performance.getMetrics')
    const value = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? Number.NaN
    return { nodes: value('Nodes'), heapBytes: value('JSHeapUsedSize') }
  })
}

/** Weighs what a page fetches while `what` loads it, into an empty cache. */
export async function weigh(page: Page, what: () => Promise<void>): Promise<Load> {
  return during(page, async (devtools) => {
    let [requests, bytes] = [0, 0]
    devtools.on('Network.loadingFinished', ({ encodedDataLength }) => {
      requests += 1
      bytes += encodedDataLength
    })
    await devtools.send('Network.enable')
    await devtools.send('Network.setCacheDisabled', { cacheDisabled: true })
    await what()
    return { requests, bytes }
  })
}

/** A task of the page's main thread. */
export interface Task {
  /** From its begin to its end. */
  readonly ms: number
  /** The part of it in which the thread had a processor: the same on a busy machine. */
  readonly processorMs: number
}

/** The tasks of the page's main thread while `what` went on, the longest first. */
export async function tasksDuring(page: Page, what: () => Promise<void>): Promise<Task[]> {
  const browser = page.context().browser()
  if (browser === null) throw new Error('The page has no browser of its own.')
  await browser.startTracing(page, { categories: ['disabled-by-default-devtools.timeline', '__metadata'] })
  await what()
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] }
  const isMain = mainThreadOf(traceEvents)
  return traceEvents
    .filter((event) => event.name === 'RunTask' && isMain(event))
    .map(({ dur = 0, tdur = 0 }) => ({ ms: dur / 1000, processorMs: tdur / 1000 }))
    .toSorted((a, b) => b.ms - a.ms)
}

/** An event of Chromium's trace format; times in microseconds. */
interface TraceEvent {
  readonly name: string
  readonly pid: number
  readonly tid: number
  readonly dur?: number
  /** The thread's processor time. */
  readonly tdur?: number
  readonly args?: { readonly name?: string }
}

/** A browser keeps spare renderers about: the page's is the one whose main thread had most to do. */
function mainThreadOf(events: readonly TraceEvent[]): (event: TraceEvent) => boolean {
  const mains = events.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
  const spent = (main: TraceEvent) =>
    events.reduce((sum, event) => sum + (isOf(main)(event) ? (event.dur ?? 0) : 0), 0)
  const [busiest] = mains.toSorted((a, b) => spent(b) - spent(a))
  if (busiest === undefined) throw new Error('The trace has no main thread of a page.')
  return isOf(busiest)
}

function isOf(thread: TraceEvent): (event: TraceEvent) => boolean {
  return ({ pid, tid }) => pid === thread.pid && tid === thread.tid
}

async function drag(page: Page, paths: string[], steps: readonly ('dragEnter' | 'dragOver' | 'drop')[]): Promise<void> {
  await during(page, async (devtools) => {
    const data = { items: [], files: paths, dragOperationsMask: 1 }
    for (const type of steps) await devtools.send('Input.dispatchDragEvent', { type, x: 200, y: 200, data })
  })
}

async function during<T>(page: Page, what: (devtools: CDPSession) => Promise<T>): Promise<T> {
  const devtools = await page.context().newCDPSession(page)
  try {
    return await what(devtools)
  } finally {
    await devtools.detach()
  }
}
