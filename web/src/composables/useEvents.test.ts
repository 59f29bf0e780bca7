import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Event } from '../protocol'
import { OPEN_WITHIN_MS, RECONNECT, SILENCE_MS, TOKEN_ENDED, useEvents, type Socket } from './useEvents'

class FakeSocket implements Socket {
  onopen: (() => void) | null = null
  onmessage: ((message: { data: unknown }) => void) | null = null
  onclose: Socket['onclose'] = null
  closed = false
  constructor(readonly from: number) {}
  close() {
    this.closed = true
  }
  open() {
    this.onopen?.()
  }
  say(event: Event) {
    this.onmessage?.({ data: JSON.stringify(event) })
  }
}

const gone: Event = { type: 'gone' }

function setUp() {
  const sockets: FakeSocket[] = []
  const heard: Event[] = []
  const onRefused = vi.fn()
  const onTurnedAway = vi.fn()
  let seen = 0
  const events = useEvents({
    open(from) {
      const socket = new FakeSocket(from)
      sockets.push(socket)
      return socket
    },
    from: () => seen,
    onEvent: (event) => heard.push(event),
    onRefused,
    onTurnedAway,
    chance: () => 1,
    now: Date.now,
  })
  return { events, sockets, heard, onRefused, onTurnedAway, see: (seq: number) => (seen = seq), last: () => sockets.at(-1) as FakeSocket }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a connection', () => {
  it('comes back after a loss, from the last change that is known', () => {
    const { events, sockets, last, see } = setUp()
    events.connect()
    last().open()
    last().say(gone)
    expect(events.connection.value).toBe('open')
    see(17)
    last().onclose?.()
    expect(events.connection.value).toBe('lost')
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(sockets.map(({ from }) => from)).toEqual([0, 17])
  })

  it('counts as lost until the manager speaks again', () => {
    const { events, last } = setUp()
    events.connect()
    last().onclose?.()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    last().open()
    expect(events.connection.value).toBe('lost')
    last().say(gone)
    expect(events.connection.value).toBe('open')
  })

  it('whose token has ended says so, and comes back as whoever has none', () => {
    const { events, sockets, last, onTurnedAway } = setUp()
    events.connect()
    last().open()
    last().onclose?.({ code: 1000 })
    expect(onTurnedAway).not.toHaveBeenCalled()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    last().open()
    last().onclose?.({ code: TOKEN_ENDED })
    expect(onTurnedAway).toHaveBeenCalledOnce()
    vi.advanceTimersByTime(2 * RECONNECT.firstMs)
    expect(sockets).toHaveLength(3)
  })

  it('waits longer after each failure, and short again after a success', () => {
    const { events, sockets, last } = setUp()
    events.connect()
    last().onclose?.()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    last().onclose?.()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(sockets).toHaveLength(2)
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(sockets).toHaveLength(3)
    last().say(gone)
    last().onclose?.()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(sockets).toHaveLength(4)
  })

  it('that never opens is given up and tried again', () => {
    const { events, sockets, onRefused } = setUp()
    events.connect()
    vi.advanceTimersByTime(OPEN_WITHIN_MS)
    expect(sockets[0]?.closed).toBe(true)
    expect(onRefused).toHaveBeenCalledOnce()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(sockets).toHaveLength(2)
  })

  it('on which nothing is heard is given up as lost and made anew, though nobody has ended it', () => {
    const { events, sockets, last } = setUp()
    events.connect()
    last().open()
    last().say(gone)
    vi.advanceTimersByTime(SILENCE_MS - 1)
    last().say(gone)
    vi.advanceTimersByTime(SILENCE_MS - 1)
    expect(events.connection.value).toBe('open')
    vi.advanceTimersByTime(1)
    expect(events.connection.value).toBe('lost')
    expect(sockets[0]?.closed).toBe(true)
    vi.advanceTimersByTime(RECONNECT.firstMs)
    expect(sockets).toHaveLength(2)
  })

  it('does not stumble over what it cannot read', () => {
    const { events, heard, last } = setUp()
    events.connect()
    last().open()
    for (const data of ['{', 'null', '7', '']) last().onmessage?.({ data })
    last().say(gone)
    expect(heard).toEqual([gone])
  })

  it('asks why only when it was refused, not when it was lost', () => {
    const { events, last, onRefused } = setUp()
    events.connect()
    last().open()
    last().onclose?.()
    expect(onRefused).not.toHaveBeenCalled()
    vi.advanceTimersByTime(RECONNECT.firstMs)
    last().onclose?.()
    expect(onRefused).toHaveBeenCalledOnce()
  })

  it('that was stopped stays so, and hears nothing late', () => {
    const { events, sockets, heard, last } = setUp()
    events.connect()
    const socket = last()
    events.stop()
    socket.say(gone)
    vi.runAllTimers()
    expect(sockets).toHaveLength(1)
    expect(heard).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })
})
