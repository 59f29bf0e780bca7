import { expect, it } from 'vitest'
import { builtinReasonOf } from './builtin'

/** As `crates/vision` says it. */
const inPlace = (reason: string) =>
  `The built-in model serves in place of GoogLeNet. It tells ten classes apart, and knows no other: airplane, truck. Why: ${reason}. To get GoogLeNet: run \`x\`; then start again.`

it.each([
  ['googlenet is not on this machine', { why: 'absent', download: null, detail: null }],
  ['googlenet is damaged in the cache', { why: 'damaged', download: null, detail: null }],
  ['googlenet is not on this machine; no network: host not found', { why: 'absent', download: 'no_network', detail: 'no network: host not found' }],
  ['googlenet is not on this machine; no source has it: it answers 403 Forbidden', { why: 'absent', download: 'no_source', detail: 'no source has it: it answers 403 Forbidden' }],
  ['googlenet is not on this machine; the cache cannot be written', { why: 'absent', download: 'failed', detail: 'the cache cannot be written' }],
])('reads why it serves: %s', (reason, read) => {
  expect(builtinReasonOf(inPlace(reason))).toEqual(read)
})

it('knows when it was chosen, and when it does not know', () => {
  expect(builtinReasonOf('The built-in model serves, as it was asked for. It tells ten classes apart.')?.why).toBe('chosen')
  expect(builtinReasonOf('Something else.')).toBeNull()
})
