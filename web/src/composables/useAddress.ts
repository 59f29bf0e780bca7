/**
 * Which batch the page's address names: `/#ID`. What follows `#` is never sent to a server, so the address of a batch,
 * which is the right to see it, stays out of logs and of `Referer`.
 */

/** The address of this page. */
export interface Address {
  /** The batch that it named when the page was opened. */
  readonly batch: string | null
  /** Makes it name a batch that was just made. */
  show(batch: string): void
}

/** The part of a browser's window that is used. */
export interface AddressBar {
  readonly location: Pick<Location, 'hash' | 'reload'>
  readonly history: Pick<History, 'state' | 'replaceState'>
  addEventListener(type: 'hashchange', listener: () => void): void
}

/** Reads the address. One life of the page is one batch: when a person changes the address, the page starts anew. */
export function useAddress(place: AddressBar = window): Address {
  place.addEventListener('hashchange', () => place.location.reload())
  const named = place.location.hash.slice(1)
  return {
    batch: named === '' ? null : named,
    // Ids are letters and digits, which mean themselves in an address.
    show: (batch) => place.history.replaceState(place.history.state, '', `#${batch}`),
  }
}
