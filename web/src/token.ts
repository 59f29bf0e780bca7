/**
 * The token that a manager beyond loopback asks for. It is printed as part of the page's address (`?token=...`), kept
 * for this tab, and taken out of the address bar, where it would be read over a shoulder or copied along.
 */

const KEY = 'manyeyes-token'

/** What this needs of a browser's window. */
export interface TokenPlace {
  readonly location: Pick<Location, 'href'>
  readonly history: Pick<History, 'replaceState' | 'state'>
  readonly sessionStorage: Pick<Storage, 'getItem' | 'setItem'>
}

/** The token of this tab, or null where none was ever given. */
export function takeToken(place: TokenPlace): string | null {
  const url = new URL(place.location.href)
  const given = url.searchParams.get('token')
  if (given === null) return place.sessionStorage.getItem(KEY)
  place.sessionStorage.setItem(KEY, given)
  url.searchParams.delete('token')
  place.history.replaceState(place.history.state, '', url)
  return given
}
