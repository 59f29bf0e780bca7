import { expect, it } from 'vitest'
import { takeToken, type TokenPlace } from './token'

function aPlace(href: string, stored: string | null = null) {
  const place = {
    location: { href },
    history: { state: null, replaceState: (_state: unknown, _title: string, url?: string | URL | null) => void (place.location.href = String(url)) },
    sessionStorage: { getItem: () => stored, setItem: (_key: string, value: string) => void (stored = value) },
  } satisfies TokenPlace
  return { place, stored: () => stored }
}

it('the token is taken out of the address and kept for the tab, the batch stays in it', () => {
  const { place, stored } = aPlace('http://manager:8080/?token=secret#batch')
  expect(takeToken(place)).toBe('secret')
  expect(place.location.href).toBe('http://manager:8080/#batch')
  expect(stored()).toBe('secret')
})

it('a reload finds the token that was kept', () => {
  expect(takeToken(aPlace('http://manager:8080/', 'secret').place)).toBe('secret')
})

it('where none was ever given there is none', () => {
  expect(takeToken(aPlace('http://manager:8080/').place)).toBeNull()
})
