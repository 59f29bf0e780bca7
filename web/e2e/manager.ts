/** Starts the real program for a test, and ends it afterwards, by its own process ids. */

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { test as base } from '@playwright/test'

const execute = promisify(execFile)

/** The program under test. */
const PROGRAM = process.env.MANYEYES_BIN ?? resolve(import.meta.dirname, '../../target/debug/manyeyes')

/** A manager that has not said where it listens by then has not started. */
const START_WITHIN_MS = 30_000

/** A manager gives its workers and open requests a grace period; past this it is killed. */
const END_WITHIN_MS = 15_000

/** A running `manyeyes up` or `manyeyes manager`. */
export interface Manager {
  /** Where the page is. */
  readonly url: string
  /** Where workers connect, as `HOST:PORT`. */
  readonly workerAddress: string
  /** The process of the manager. */
  readonly pid: number
  /** Kills it as a crash would: nothing is flushed, nobody is told. */
  crash(): Promise<void>
  /** The process ids of the workers that are its children, by name. */
  workers(): Promise<Map<string, number>>
}

/** The model that every machine has. */
const BUILT_IN = 'builtin'

/** How to start `manyeyes up`. What is not said is as by default. */
export interface UpOptions {
  engine?: 'auto' | 'onnxruntime' | 'rten'
  /** A model's name, as `manyeyes model list` has it. Not said, it is the built-in one, which is there on every machine. */
  model?: string | undefined
  workers?: number
}

/** A token that a test has made. */
export interface Token {
  readonly id: string
  readonly token: string
}

/** What a test may start. Two managers of one test share its data folder, one after the other. */
export interface House {
  /** A manager with workers as its children: three, where not said otherwise. */
  up(options?: UpOptions): Promise<Manager>
  /** A manager alone. */
  manager(options?: { listen?: string; workerListen?: string }): Promise<Manager>
  /**
   * A worker of its own, which outlives the manager. Gives its process id. With `serviceMs` it recognises nothing, and answers
   * each image after so long.
   */
  worker(manager: Manager, name: string, options?: { model?: string; serviceMs?: number }): number
  /** Makes a token for the managers of this test. */
  token(role: 'worker' | 'uploader' | 'operator', expires?: string): Promise<Token>
  revoke(token: Token): Promise<void>
}

/** Playwright's `test` with a `house`, and with a `folder` of its own that is empty at first. */
export const test = base.extend<{ house: House; folder: string }>({
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'manyeyes-folder-'))
    await use(folder)
    await rm(folder, { recursive: true })
  },
  house: async ({}, use, testInfo) => {
    const data = await mkdtemp(join(tmpdir(), 'manyeyes-page-'))
    const started: ChildProcess[] = []
    const log: string[] = []
    const run = (args: string[]) => {
      const child = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe'] })
      started.push(child)
      child.stderr.on('data', (text: Buffer) => log.push(text.toString()))
      return child
    }
    const anywhere = '127.0.0.1:0'
    await use({
      up({ engine = 'auto', model = BUILT_IN, workers = 3 } = {}) {
        const place = ['--listen', anywhere, '--data', data, '--workers', String(workers)]
        return managed(run(['up', ...place, '--engine', engine, '--model', model]))
      },
      manager: ({ listen = anywhere, workerListen = anywhere } = {}) =>
        managed(run(['manager', '--listen', listen, '--worker-listen', workerListen, '--data', data])),
      worker(manager, name, { model = BUILT_IN, serviceMs } = {}) {
        const place = ['--manager', manager.workerAddress, '--name', name, '--slots', '1']
        const work = serviceMs === undefined ? ['--model', model] : ['--fixed-service-ms', String(serviceMs)]
        const child = run(['worker', ...place, ...work])
        child.stdout.resume()
        return child.pid as number
      },
      async token(role, expires = 'never') {
        const { stdout } = await execute(PROGRAM, ['token', 'create', '--data', data, '--role', role, '--expires', expires, '--json'])
        return JSON.parse(stdout) as Token
      },
      async revoke({ id }) {
        await execute(PROGRAM, ['token', 'revoke', '--data', data, id])
      },
    })
    // The last first: a worker says goodbye while its manager is there to hear it.
    for (const child of started.toReversed()) await end(child)
    await rm(data, { recursive: true, force: true })
    // What the program has said is only worth reading when something went wrong.
    if (testInfo.status !== testInfo.expectedStatus) process.stderr.write(log.join(''))
  },
})

/** Ends a test that cannot run here. It is reported as skipped, and a line says why, which a script counts. */
export function needs(
  variable: 'MANYEYES_IMAGES' | 'MANYEYES_IMAGES_250' | 'MANYEYES_MODELS' | 'ORT_DYLIB_PATH',
): string {
  const value = process.env[variable]
  if (value) return value
  process.stderr.write(`NOT RUN without ${variable}: ${test.info().title}\n`)
  test.skip(true, `${variable} is not set`)
  return ''
}

async function managed(child: ChildProcess): Promise<Manager> {
  const { url, workerAddress } = await addressesOf(child)
  return {
    url,
    workerAddress,
    pid: child.pid as number,
    async crash() {
      child.kill('SIGKILL')
      await ended(child)
    },
    workers: () => workersOf(child.pid as number),
  }
}

/** Waits for the lines that say where it listens. */
async function addressesOf(child: ChildProcess): Promise<{ url: string; workerAddress: string }> {
  return new Promise((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`${PROGRAM} did not say where it listens`)), START_WITHIN_MS)
    child.once('error', (error) => failed(new Error(`${PROGRAM} cannot be started: build it first`, { cause: error })))
    child.once('exit', (code) => failed(new Error(`${PROGRAM} ended with status ${code}`)))
    let url: string | undefined
    let workerAddress: string | undefined
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      url ??= /^listening on (http:\/\/\S+)/.exec(line)?.[1]
      workerAddress ??= /^workers on (\S+)/.exec(line)?.[1]
      if (url === undefined || workerAddress === undefined) return
      clearTimeout(timer)
      found({ url, workerAddress })
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

/** A child that has just ended, or has not become a worker yet, is left out. */
async function workersOf(pid: number): Promise<Map<string, number>> {
  const children = await childrenOf(pid)
  const named = await Promise.all(children.map(async (child) => [await workerName(child), child] as const))
  return new Map(named.filter((pair): pair is readonly [string, number] => pair[0] !== undefined))
}

/** Linux lists children by the thread that made them. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  )
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number))
}

async function workerName(pid: number): Promise<string | undefined> {
  const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
  return words.includes('--name') ? words[words.indexOf('--name') + 1] : undefined
}
