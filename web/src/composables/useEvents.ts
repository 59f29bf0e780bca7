/**
 * A WebSocket that comes back by itself, carrying the changes of one batch.
 *
 * It knows nothing of images. `from()` says after which change to go on, and whatever arrives goes to `onEvent`.
 */

import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import type { Event } from '../protocol'
import { waitMs, type Backoff } from '../rules/backoff'

/** A manager that restarts is back within a second or two; one that is away is not helped by being asked more often. */
export const RECONNECT: Backoff = { firstMs: 300, longestMs: 10_000 }

/** A connection that has not opened by then is given up and tried again. */
export const OPEN_WITHIN_MS = 8_000

/**
 * A connection on which nothing was heard for so long is dead, though no end of it was told: a cable that was pulled, a
 * laptop that slept. The manager speaks at least every 5 s.
 */
export const SILENCE_MS = 15_000

/** The code with which a connection ends whose token does not count any more. */
export const TOKEN_ENDED = 4401

/** How the connection is. `off`: not wanted (any more). */
export type Connection = 'off' | 'connecting' | 'open' | 'lost'

/** The part of `WebSocket` that is used. */
export interface Socket {
  onopen: (() => void) | null
  onmessage: ((message: { data: unknown }) => void) | null
  onclose: ((end?: { readonly code: number }) => void) | null
  close(): void
}

/** What a connection needs from outside. */
export interface EventsNeeds {
  /** Opens a socket that tells what came after change `from`. */
  open(from: number): Socket
  /** The number of the last change that is known completely. */
  from(): number
  /** Takes in what the manager says. A newer manager may say what this page's types do not know. */
  onEvent(event: Event): void
  /** Called after a try that never opened. A browser hides why: whether the batch still exists is found out here. */
  onRefused(): void
  /** Called when the connection has ended because the token does not count any more. It comes back, as whoever has none. */
  onTurnedAway(): void
  /** 0..1. */
  chance(): number
  /** The time, in milliseconds from any moment. It goes on while the computer sleeps. */
  now(): number
}

/** A lost connection. Times are those of `EventsNeeds.now`. */
export interface Outage {
  readonly since: number
  /** When it is tried again. In the past: it is being tried. */
  readonly nextTry: number
}

/** The connection, and what may be done with it. */
export interface Events {
  readonly connection: Readonly<Ref<Connection>>
  /** Not null while the connection is lost. */
  readonly outage: Readonly<ShallowRef<Outage | null>>
  /** Connects, or connects anew from `from()`. */
  connect(): void
  /** Ends it for good. */
  stop(): void
}

/** Makes a connection that is not connected yet. */
export function useEvents(needs: EventsNeeds): Events {
  const connection = ref<Connection>('off')
  const outage = shallowRef<Outage | null>(null)
  let socket: Socket | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let failures = 0

  function connect(): void {
    drop()
    if (connection.value !== 'lost') connection.value = 'connecting'
    const current = needs.open(needs.from())
    socket = current
    timer = setTimeout(onClosed, OPEN_WITHIN_MS, false)
    let opened = false
    let heardAt = 0
    function listen(): void {
      const silent = needs.now() - heardAt
      if (silent >= SILENCE_MS) onClosed(true)
      else timer = setTimeout(listen, SILENCE_MS - silent)
    }
    current.onopen = () => {
      opened = true
      heardAt = needs.now()
      clearTimeout(timer)
      listen()
    }
    current.onmessage = ({ data }) => {
      // Only what has been said counts as connected: a proxy may open a socket to nowhere.
      failures = 0
      heardAt = needs.now()
      connection.value = 'open'
      outage.value = null
      const event = parse(data)
      if (event !== null) needs.onEvent(event)
    }
    current.onclose = (end) => {
      if (end?.code === TOKEN_ENDED) needs.onTurnedAway()
      onClosed(opened)
    }
  }

  function onClosed(opened: boolean): void {
    drop()
    failures += 1
    connection.value = 'lost'
    const wait = waitMs(RECONNECT, failures, needs.chance())
    outage.value = { since: outage.value?.since ?? needs.now(), nextTry: needs.now() + wait }
    timer = setTimeout(connect, wait)
    if (!opened) needs.onRefused()
  }

  function drop(): void {
    clearTimeout(timer)
    if (socket === null) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
    socket = null
  }

  function stop(): void {
    drop()
    connection.value = 'off'
    outage.value = null
  }

  return { connection, outage, connect, stop }
}

/** What is no JSON object is none of the manager's. */
function parse(data: unknown): Event | null {
  try {
    const event: unknown = JSON.parse(String(data))
    return typeof event === 'object' && event !== null ? (event as Event) : null
  } catch {
    return null
  }
}
