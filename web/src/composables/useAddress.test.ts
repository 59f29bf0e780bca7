import { expect, it, vi } from 'vitest'
import { useAddress } from './useAddress'

function aBar(hash: string) {
  const listeners: (() => void)[] = []
  const location = { hash, reload: vi.fn() }
  const history = { state: null, replaceState: (_state: unknown, _title: string, url?: string | URL | null) => void (location.hash = String(url)) }
  const addEventListener = (_type: 'hashchange', listener: () => void) => void listeners.push(listener)
  return { location, history, addEventListener, change: () => listeners.forEach((listener) => listener()) }
}

it('names a batch, none, or whatever a person has typed, without failing', () => {
  expect(useAddress(aBar('#aBc9')).batch).toBe('aBc9')
  expect(useAddress(aBar('')).batch).toBeNull()
  expect(useAddress(aBar('#%zz')).batch).toBe('%zz')
})

it('names a new batch without starting anew, and starts anew when a person changes it', () => {
  const bar = aBar('')
  useAddress(bar).show('aBc9')
  expect(bar.location.hash).toBe('#aBc9')
  expect(bar.location.reload).not.toHaveBeenCalled()
  bar.change()
  expect(bar.location.reload).toHaveBeenCalledOnce()
})
