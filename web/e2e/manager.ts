/** Starts the real `manyeyes up` for a test, and ends it afterwards, by its own process id. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { test as base } from '@playwright/test'

/** The program under test. */
const PROGRAM = process.env.MANYEYES_BIN ?? resolve(import.meta.dirname, '../../target/debug/manyeyes')

/** A manager that has not said where it listens by then has not started. */
const START_WITHIN_MS = 30_000

/** `up` gives its workers and open requests a grace period; past this it is killed. */
const END_WITHIN_MS = 15_000

/** A running `manyeyes up`. */
export interface Manager {
  /** Where the page is. */
  readonly url: string
  /** Kills it as a crash would: nothing is flushed, nobody is told. */
  crash(): Promise<void>
  /** The process ids of its workers. */
  workers(): Promise<number[]>
}

/** What a test may start. Two managers of one test share its data folder, one after the other. */
export interface House {
  start(options?: { listen?: string }): Promise<Manager>
}

/** Playwright's `test` with a `house`. */
export const test = base.extend<{ house: House }>({
  house: async ({}, use, testInfo) => {
    const data = await mkdtemp(join(tmpdir(), 'manyeyes-page-'))
    const started: ChildProcess[] = []
    const log: string[] = []
    await use({ start: ({ listen = '127.0.0.1:0' } = {}) => start(data, listen, started, log) })
    await Promise.all(started.map(end))
    await rm(data, { recursive: true, force: true })
    // What the program has said is only worth reading when something went wrong.
    if (testInfo.status !== testInfo.expectedStatus) process.stderr.write(log.join(''))
  },
})

/** Ends a test that cannot run here. It is reported as skipped, and a line says why, which a script counts. */
export function needs(variable: 'MANYEYES_IMAGES' | 'MANYEYES_MODELS'): string {
  const value = process.env[variable]
  if (value) return value
  process.stderr.write(`NOT RUN without ${variable}: ${test.info().title}\n`)
  test.skip(true, `${variable} is not set`)
  return ''
}

async function start(data: string, listen: string, started: ChildProcess[], log: string[]): Promise<Manager> {
  const child = spawn(PROGRAM, ['up', '--listen', listen, '--workers', '3', '--data', data], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  child.stderr.on('data', (text: Buffer) => log.push(text.toString()))
  const url = await addressOf(child)
  return {
    url,
    async crash() {
      child.kill('SIGKILL')
      await ended(child)
    },
    workers: () => childrenOf(child.pid as number),
  }
}

/** Waits for the line that says where it listens. */
async function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`${PROGRAM} did not say where it listens`)), START_WITHIN_MS)
    child.once('error', (error) => failed(new Error(`${PROGRAM} cannot be started: build it first`, { cause: error })))
    child.once('exit', (code) => failed(new Error(`${PROGRAM} ended with status ${code}`)))
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const address = /^listening on (http:\/\/\S+)/.exec(line)?.[1]
      if (address === undefined) return
      clearTimeout(timer)
      found(address)
    })
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS)
  await ended(child)
  clearTimeout(timer)
}

async function ended(child: ChildProcess): Promise<void> {
  if (!hasEnded(child)) await once(child, 'exit')
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

/** Linux lists children by the thread that made them. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8')))
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number))
}
