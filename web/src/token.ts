/**
 * The token in the page's address: `#token=...`, as a manager beyond loopback prints it. What follows `#` is sent to no server.
 * It is taken out of the address bar, where it would be read over a shoulder or copied along.
 */

/** What this needs of a browser's window. */
export interface TokenPlace {
  readonly location: Pick<Location, 'href'>
  readonly history: Pick<History, 'replaceState' | 'state'>
}

/** The token, or null where there is none. What else the address names stays in it. */
export function takeToken(place: TokenPlace): string | null {
  const url = new URL(place.location.href)
  const parts = url.hash.slice(1).split('&')
  const given = parts.find((part) => part.startsWith('token='))
  if (given === undefined) return null
  url.hash = parts.filter((part) => part !== given).join('&')
  place.history.replaceState(place.history.state, '', url)
  return given.slice('token='.length)
}
