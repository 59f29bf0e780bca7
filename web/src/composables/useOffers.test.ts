import { expect, it, vi } from 'vitest'
import type { OfferedFile } from '../rules/files'
import type { Portion } from '../rules/offering'
import { settle } from '../testing'
import { useOffers } from './useOffers'

const file = (path: string): OfferedFile => ({ file: new File(['x'], path.split('/').at(-1) ?? ''), path })

function setUp() {
  const added: string[][] = []
  const offers = useOffers(
    (files) => added.push(files.map(({ path }) => path)),
    (show) => void Promise.resolve().then(show),
  )
  return { offers, added }
}

/** An offering whose portions come when a test says so. */
function slowly() {
  const next: ((portion: Portion | null) => void)[] = []
  async function* portions() {
    for (;;) {
      const portion = await new Promise<Portion | null>((tell) => next.push(tell))
      if (portion === null) return
      yield portion
    }
  }
  const give = async (portion: Portion | null) => {
    next.shift()?.(portion)
    await settle()
  }
  return { portions: portions(), give }
}

it('says how many files it has looked at, and hands on all of an offer at once', async () => {
  const { offers, added } = setUp()
  const { portions, give } = slowly()
  const taken = offers.take(portions)
  await settle()
  expect(offers.looking.value).toBe(0)
  await give({ files: [file('summer/10.png')], leftOut: 98, unreadable: 1 })
  expect(offers.looking.value).toBe(100)
  expect(added).toEqual([])
  await give({ files: [file('summer/9.png')], leftOut: 0, unreadable: 0 })
  await give(null)
  await taken
  await settle()
  expect(offers.looking.value).toBeNull()
  // As a person counts.
  expect(added).toEqual([['summer/9.png', 'summer/10.png']])
  expect(offers.leftovers.value).toMatchObject({ leftOut: 98, unreadable: 1 })
})

it('leaves files that were named themselves in their order', async () => {
  const { offers, added } = setUp()
  const { portions, give } = slowly()
  void offers.take(portions)
  await give({ files: [file('b.png'), file('a.png')], leftOut: 0, unreadable: 0 })
  await give(null)
  expect(added).toEqual([['b.png', 'a.png']])
})

it('sends nothing of what is stopped', async () => {
  const { offers, added } = setUp()
  const { portions, give } = slowly()
  void offers.take(portions)
  await give({ files: [file('a.png')], leftOut: 0, unreadable: 0 })
  offers.stop()
  await settle()
  expect(offers.looking.value).toBeNull()
  await give({ files: [file('b.png')], leftOut: 0, unreadable: 0 })
  await give(null)
  expect(added).toEqual([])
})

it('a drop without a file is told, until the next one', async () => {
  const { offers } = setUp()
  await offers.take(null)
  await settle()
  expect(offers.leftovers.value.isNoFile).toBe(true)
  const { portions, give } = slowly()
  void offers.take(portions)
  await give(null)
  expect(offers.leftovers.value.isNoFile).toBe(false)
})

it('an offer of pictures in which none is meant adds nothing', async () => {
  const add = vi.fn()
  const offers = useOffers(add, () => {})
  const { portions, give } = slowly()
  void offers.take(portions)
  await give({ files: [], leftOut: 3, unreadable: 0 })
  await give(null)
  expect(add).not.toHaveBeenCalled()
})
