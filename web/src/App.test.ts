import { enableAutoUnmount, flushPromises, mount } from '@vue/test-utils'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Api } from './api'
import { RequestError } from './api'
import App from './App.vue'
import LightBox from './components/LightBox.vue'
import { TITLE_EVERY_MS } from './composables/useTitle'
import type { Event, Image, Problem, Session, SessionRole } from './protocol'
import { anApi as aManager, anImage, aStatus, aWorker, someCounts } from './testing'

enableAutoUnmount(afterEach)

afterEach(() => void vi.useRealTimers())

/** The manager as the page sees it: a test says what its one socket tells and how uploads go. */
class FakeSocket {
  static last: FakeSocket | null = null
  onopen: (() => void) | null = null
  onmessage: ((message: { data: string }) => void) | null = null
  onclose: (() => void) | null = null
  constructor(readonly url: string) {
    FakeSocket.last = this
  }
  close() {}
  async say(event: Event) {
    this.onmessage?.({ data: JSON.stringify(event) })
    await flushPromises()
  }
}

function anApi(own: Partial<Api> = {}): Api {
  return aManager({
    createBatch: vi.fn(async () => 'new'),
    upload: () => ({ images: new Promise<Image[]>(() => {}), abort() {} }),
    workers: async () => ({ workers: [aWorker()] }),
    ...own,
  })
}

function snapshot(images: Image[], status = aStatus()): Event {
  return { type: 'snapshot', seq: 9, batch: 'b', images, more: false, deleted: [], complete: true, status }
}

async function open(api: Api, attachTo?: Element, token: string | null = null) {
  const page = mount(App, { props: { api, token }, ...(attachTo && { attachTo }) })
  await flushPromises()
  return page
}

async function paste(...files: File[]) {
  window.dispatchEvent(Object.assign(new window.Event('paste'), { clipboardData: { files } }))
  await flushPromises()
  await nextFrame()
}

/** What happens to many files is shown once a frame. */
async function nextFrame() {
  await new Promise((shown) => requestAnimationFrame(shown))
  await flushPromises()
}

const cat = new File(['x'], 'cat.jpg')

beforeEach(() => {
  FakeSocket.last = null
  location.hash = ''
  vi.stubGlobal('WebSocket', FakeSocket)
  vi.spyOn(URL, 'createObjectURL').mockReturnValue('blob:1')
  vi.spyOn(URL, 'revokeObjectURL').mockReturnValue()
})

it('looking at the page makes no batch; it says who is ready', async () => {
  const api = anApi()
  const page = await open(api)
  expect(api.createBatch).not.toHaveBeenCalled()
  expect(page.text()).toContain('1 worker ready')
  expect(page.text()).toContain('GoogLeNet')
})

it('the first pictures make one batch, which the address then names', async () => {
  const api = anApi()
  const page = await open(api)
  await paste(cat, new File(['x'], 'dog.jpg'))
  expect(api.createBatch).toHaveBeenCalledOnce()
  expect(location.hash).toBe('#new')
  expect(FakeSocket.last?.url).toBe('ws://manager/new?from=0')
  expect(page.findAll('.card')).toHaveLength(2)
})

it('a file that has arrived has one card, whether its upload or its change is heard of first', async () => {
  const image = anImage({ id: '7', seq: 10 })
  let arrive: (images: Image[]) => void = () => {}
  const images = new Promise<Image[]>((resolve) => (arrive = resolve))
  const page = await open(anApi({ upload: () => ({ images, abort() {} }) }))
  await paste(cat)
  arrive([image])
  await FakeSocket.last?.say(snapshot([]))
  await FakeSocket.last?.say({ type: 'change', seq: 10, image, deleted: null })
  await nextFrame()
  expect(page.findAll('.card')).toHaveLength(1)
  expect(page.find('.card').attributes('data-image')).toBe('7')
  expect(page.find('.card img').attributes('src')).toBe('blob:1')
})

it('of a thousand files only those in sight have cards', async () => {
  const page = await open(anApi())
  await paste(...Array.from({ length: 1000 }, (_, number) => new File([], `${number}.jpg`)))
  expect(page.findAll('.card').length).toBeGreaterThan(0)
  expect(page.findAll('.card').length).toBeLessThan(100)
  expect(page.find('[role=grid]').attributes('aria-rowcount')).toBe('1000')
})

it('a picture that is clicked is shown large, and the keyboard is on its card afterwards', async () => {
  location.hash = '#old'
  const page = await open(anApi(), document.body)
  await FakeSocket.last?.say(snapshot([anImage({ id: '7' }), anImage({ id: '8' })]))
  await page.find('[data-image="8"]').trigger('click')
  await flushPromises()
  expect(page.find('dialog[open]').exists()).toBe(true)
  page.findComponent(LightBox).vm.$emit('show', '7')
  page.findComponent(LightBox).vm.$emit('close')
  await flushPromises()
  expect((document.activeElement as HTMLElement).dataset.image).toBe('7')
})

it('an address that names a batch shows it', async () => {
  location.hash = '#old'
  const page = await open(anApi())
  expect(page.text()).toContain('Loading the batch')
  await FakeSocket.last?.say(snapshot([anImage({ name: 'cat.jpg' })]))
  expect(page.find('.card .name').text()).toBe('cat.jpg')
})

it('a batch that does not exist is a message and not an empty page', async () => {
  location.hash = '#never'
  const page = await open(
    anApi({ page: () => Promise.reject(new RequestError(404, 'no_such_batch', 'there is no such batch')) }),
  )
  FakeSocket.last?.onclose?.()
  await flushPromises()
  expect(page.find('.ended').text()).toContain('There is no such batch')
})

it('a lost connection is said, and what is shown stays', async () => {
  location.hash = '#old'
  const page = await open(anApi())
  await FakeSocket.last?.say(snapshot([anImage()]))
  FakeSocket.last?.onclose?.()
  await flushPromises()
  expect(page.find('[role=status]').text()).toContain('The manager cannot be reached')
  expect(page.findAll('.card')).toHaveLength(1)
})

it('an image that is tried again waits again, before its change is heard of', async () => {
  location.hash = '#old'
  const page = await open(anApi({ retry: async () => anImage({ seq: 11, state: 'waiting', attempts: 2 }) }))
  const error = { code: 'worker_failures', message: 'it crashed 2 workers' }
  await FakeSocket.last?.say(snapshot([anImage({ state: 'failed', error })]))
  expect(page.find('.card .reason').text()).toBe('It crashed 2 workers.')
  await page.find('.card .retry').trigger('click')
  await flushPromises()
  expect(page.find('.card').attributes('data-state')).toBe('waiting')
})

it('a file that could not be sent is sent at once when the manager is back', async () => {
  // No timer ever ends here: only the return of the manager can start the second try.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const away = new RequestError(0, 'unreachable', 'The manager cannot be reached.')
  const upload = vi.fn(anApi().upload)
  upload.mockImplementationOnce(() => ({ images: Promise.reject(away), abort() {} }))
  location.hash = '#old'
  const page = await open(anApi({ upload }))
  await FakeSocket.last?.say(snapshot([]))
  FakeSocket.last?.onclose?.()
  await paste(cat)
  expect(upload).toHaveBeenCalledOnce()
  await page.find('[data-notice=unreachable] button').trigger('click')
  await FakeSocket.last?.say(snapshot([]))
  expect(upload).toHaveBeenCalledTimes(2)
})

it('images that wait for a worker are explained', async () => {
  location.hash = '#old'
  const page = await open(anApi())
  await FakeSocket.last?.say(snapshot([anImage()], aStatus({ notice: { code: 'no_worker', message: 'No worker is connected.' } })))
  expect(page.find('[data-notice=stuck]').text()).toContain('No worker is connected.')
})

/** A manager that asks for a token, and lets this one in as that. */
function aGuardedApi(token: string, role: SessionRole, own: Partial<Api> = {}) {
  let turnedAway: (problem: Problem) => void = () => {}
  const api = anApi({
    session: vi.fn(async (): Promise<Session> => ({ role: 'viewer', needs_token: true, problem: null })),
    logIn: async (given) => {
      if (given !== token) throw new RequestError(401, 'token_unknown', "the token is not one of this manager's")
      return { role, needs_token: true, problem: null }
    },
    onTurnedAway: (listener) => void (turnedAway = listener),
    ...own,
  })
  return { api, turnAway: (problem: Problem) => turnedAway(problem) }
}

async function give(page: Awaited<ReturnType<typeof open>>, token: string) {
  await page.find('[data-login] input[type=password]').setValue(token)
  await page.find('[data-login] form').trigger('submit')
  await flushPromises()
}

it('without a token the page is a form, and says at its field what is wrong with the one that is given', async () => {
  const { api } = aGuardedApi('right', 'operator')
  const page = await open(api)
  expect(page.findAll('.zone, .samples, [data-notice], .skeleton')).toHaveLength(0)
  await give(page, 'guess')
  expect(page.find('[data-login] [role=alert]').text()).toContain("not one of this manager's")
  await give(page, 'right')
  expect(page.find('[data-login]').exists()).toBe(false)
  expect(page.find('.zone').exists()).toBe(true)
  expect(page.text()).toContain('1 worker ready')
})

it('the token of the address lets in at once', async () => {
  const { api } = aGuardedApi('right', 'operator')
  const page = await open(api, undefined, 'right')
  expect(page.find('.zone').exists()).toBe(true)
  expect(api.session).not.toHaveBeenCalled()
})

/** A drop in the first moment was lost, and the browser left the page for the file: there was nothing that took it yet. */
it('what is dropped before the manager has said who this is arrives', async () => {
  let say: (session: Session) => void = () => {}
  const api = anApi({ session: () => new Promise((resolve) => (say = resolve)), upload: vi.fn(anApi().upload) })
  const page = await open(api)
  await paste(cat)
  say({ role: 'operator', needs_token: false, problem: null })
  await flushPromises()
  expect(api.upload).toHaveBeenCalledOnce()
  expect(page.find('[data-login]').exists()).toBe(false)
})

it('what is dropped before the token of the address lets in waits for it', async () => {
  let letIn: (session: Session) => void = () => {}
  const unknown = new RequestError(401, 'token_needed', 'this needs a token')
  const createBatch = vi.fn(anApi().createBatch).mockRejectedValueOnce(unknown)
  const { api, turnAway } = aGuardedApi('right', 'operator', {
    createBatch,
    upload: vi.fn(anApi().upload),
    logIn: () => new Promise((resolve) => (letIn = resolve)),
  })
  const page = await open(api, undefined, 'right')
  await paste(cat)
  turnAway({ code: unknown.code, message: unknown.message })
  expect(api.upload).not.toHaveBeenCalled()
  letIn({ role: 'operator', needs_token: true, problem: null })
  await flushPromises()
  expect(api.upload).toHaveBeenCalledOnce()
  expect(page.find('[data-login]').exists()).toBe(false)
})

it('an uploader is offered no workers and nothing to delete', async () => {
  location.hash = '#old'
  const { api } = aGuardedApi('right', 'uploader', { workers: vi.fn() })
  const page = await open(api, undefined, 'right')
  await FakeSocket.last?.say(snapshot([anImage({ state: 'recognised' })], aStatus({ counts: someCounts({ recognised: 1 }) })))
  await nextFrame()
  expect(page.find('.zone').exists()).toBe(true)
  await page.find('.card .check').trigger('click')
  expect(page.find('[data-selection]').text()).toContain('Run again')
  expect(page.find('[data-selection] .danger').exists()).toBe(false)
  expect(page.find('[data-workers]').exists()).toBe(false)
  expect(api.workers).not.toHaveBeenCalled()
})

it('a viewer sees the batch of the address, can change nothing of it, and may come in', async () => {
  location.hash = '#old'
  const { api } = aGuardedApi('right', 'operator')
  const page = await open(api)
  await FakeSocket.last?.say(snapshot([anImage({ id: '7', state: 'failed' })]))
  expect(page.findAll('.card')).toHaveLength(1)
  expect(page.findAll('.zone, .card .check, .card .retry, [data-login]')).toHaveLength(0)
  await page.find('[data-viewing] button').trigger('click')
  const before = FakeSocket.last
  await give(page, 'right')
  expect(page.findAll('.zone, .card .check, .card .retry')).toHaveLength(3)
  expect(FakeSocket.last, 'its events are told anew, as to an operator').not.toBe(before)
})

it('a token that ends while its page is open costs nothing that is shown or waits', async () => {
  location.hash = '#old'
  const ended = new RequestError(401, 'token_revoked', 'this token was revoked on Monday')
  const upload = vi.fn(anApi().upload)
  upload.mockImplementationOnce(() => ({ images: Promise.reject(ended), abort() {} }))
  const { api, turnAway } = aGuardedApi('right', 'uploader', { upload })
  const page = await open(api, undefined, 'right')
  await FakeSocket.last?.say(snapshot([anImage()]))
  await paste(cat)
  turnAway({ code: ended.code, message: ended.message })
  await flushPromises()
  expect(page.find('[data-login] [role=alert]').text()).toBe('This token was revoked on Monday.')
  expect(page.findAll('.card')).toHaveLength(2)
  await give(page, 'right')
  expect(page.find('[data-login]').exists()).toBe(false)
  expect(upload).toHaveBeenCalledTimes(2)
})

it('who logs out of a batch sees it still, by its address', async () => {
  location.hash = '#old'
  const logOut = vi.fn(async () => {})
  const { api } = aGuardedApi('right', 'operator', { logOut })
  const page = await open(api, undefined, 'right')
  await FakeSocket.last?.say(snapshot([anImage()]))
  await page.find('header .leave').trigger('click')
  await flushPromises()
  expect(logOut).toHaveBeenCalledOnce()
  expect(page.findAll('.card')).toHaveLength(1)
  expect(page.findAll('.zone, header .leave')).toHaveLength(0)
})

it('a batch that is deleted while it is looked at says so', async () => {
  location.hash = '#old'
  const page = await open(anApi())
  const model = { name: 'builtin', digest: null, verified: true, notice: 'it serves' }
  await FakeSocket.last?.say(snapshot([anImage()], aStatus({ model })))
  expect(page.findAll('[data-notice=model]')).toHaveLength(1)
  await FakeSocket.last?.say({ type: 'gone' })
  expect(page.findAll('[data-notice]')).toHaveLength(0)
  expect(page.find('[data-ended=gone]').text()).toContain('This batch is gone')
  expect(page.findAll('.card')).toHaveLength(0)
})

it('a page that is older than its manager asks to be loaded again, once', async () => {
  document.head.innerHTML = '<meta name="manyeyes-page" content="old">'
  location.hash = '#old'
  const page = await open(anApi())
  await FakeSocket.last?.say(snapshot([], aStatus({ page: 'new' })))
  expect(page.findAll('[data-notice=outdated] button')).toHaveLength(1)
  document.head.innerHTML = ''
})

it('who chooses another language is spoken to in it at once, and the browser is told', async () => {
  const page = await open(anApi())
  await page.find('header select').setValue('zh')
  expect(page.text()).toContain('个工作节点已就绪')
  expect(document.documentElement.lang).toBe('zh')
  await page.find('header select').setValue('en')
  expect(page.text()).toContain('1 worker ready')
})

it('the name of the page says how far its batch is', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  location.hash = '#old'
  await open(anApi())
  await FakeSocket.last?.say(snapshot([], aStatus({ counts: someCounts({ recognised: 120, waiting: 130 }) })))
  vi.advanceTimersByTime(TITLE_EVERY_MS)
  expect(document.title).toBe('120/250 · manyeyes')
})

it('who leaves while files are unsent is asked first; who has none is not', async () => {
  const leave = () => {
    const leaving = new window.Event('beforeunload', { cancelable: true })
    window.dispatchEvent(leaving)
    return leaving.defaultPrevented
  }
  await open(anApi())
  expect(leave()).toBe(false)
  await paste(cat)
  expect(leave()).toBe(true)
})
