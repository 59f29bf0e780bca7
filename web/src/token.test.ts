import { expect, it } from 'vitest'
import { takeToken, type TokenPlace } from './token'

function aPlace(href: string) {
  const place = {
    location: { href },
    history: { state: null, replaceState: (_state: unknown, _title: string, url?: string | URL | null) => void (place.location.href = String(url)) },
  } satisfies TokenPlace
  return place
}

it('the token is taken out of the address, and the batch stays in it', () => {
  for (const [href, left] of [
    ['http://manager:8080/#token=secret', 'http://manager:8080/'],
    ['http://manager:8080/#batch&token=secret', 'http://manager:8080/#batch'],
  ] as const) {
    const place = aPlace(href)
    expect(takeToken(place)).toBe('secret')
    expect(place.location.href).toBe(left)
  }
})

it('where there is none the address stays as it is, a query too, which a server has read already', () => {
  for (const href of ['http://manager:8080/', 'http://manager:8080/#batch', 'http://manager:8080/?token=secret']) {
    const place = aPlace(href)
    expect(takeToken(place)).toBeNull()
    expect(place.location.href).toBe(href)
  }
})
