/**
 * Which files of a drop the batch has already, told by their bytes.
 *
 * Only a file whose size is that of an image of the batch can be there already; the others are told missing at once. A
 * drop is compared with what was there before it and never with itself: two files with the same bytes are two pictures,
 * and of three copies in a folder of which the batch has two, one is missing.
 */

import type { Image } from '../protocol'
import { FileProblem } from '../rules/fileProblem'
import { DIGESTS_AT_A_TIME } from './useDigests'

/** As many digests are asked about at a time: few, so that the first missing file of a large folder is soon on its way. */
export const ASKED_AT_A_TIME = 64

/** What sorting out needs from outside, and whom it tells. */
export interface SortNeeds<One> {
  /** The images of the batch, once they are all known. */
  images(): Promise<Iterable<Pick<Image, 'bytes' | 'sha256' | 'state'>>>
  /** Rejects with a `FileProblem` when the file cannot be read. */
  digest(file: File): Promise<string>
  /** Those of the digests whose files the manager has in the batch. */
  known(digests: readonly string[]): Promise<readonly string[]>
  /** Whether it is still to be sorted out. Waits while everything pauses. */
  isMeant(one: One): Promise<boolean>
  onMissing(one: One): void
  onThere(one: One): void
  onUnreadable(one: One, problem: FileProblem): void
}

/** Tells of each file of a drop whether it is missing. Never rejects. */
export async function sortOut<One extends { readonly file: File }>(drop: readonly One[], needs: SortNeeds<One>): Promise<void> {
  const here = heldBy(await needs.images())
  const suspects: One[] = []
  for (const one of drop) {
    if (here.sizes.has(one.file.size)) suspects.push(one)
    else needs.onMissing(one)
  }
  /** How many files of a digest may still be told to be there. */
  const claims = new Map<string, number>()
  for (let begin = 0; begin < suspects.length; begin += ASKED_AT_A_TIME) {
    const digests = await digestsOf(suspects.slice(begin, begin + ASKED_AT_A_TIME), needs)
    const unasked = [...new Set(digests.values())].filter((digest) => !claims.has(digest))
    const known = new Set(unasked.length > 0 ? await needs.known(unasked) : [])
    for (const digest of unasked) {
      // The manager keeps no file that it refused, and so does not know it: but its refusal is there.
      const isHere = known.has(digest) || here.refused.has(digest)
      claims.set(digest, isHere ? Math.max(1, here.copies.get(digest) ?? 0) : 0)
    }
    for (const [one, digest] of digests) {
      const left = claims.get(digest) ?? 0
      claims.set(digest, left - 1)
      if (left > 0) needs.onThere(one)
      else needs.onMissing(one)
    }
  }
}

interface Held {
  readonly sizes: ReadonlySet<number>
  readonly copies: ReadonlyMap<string, number>
  readonly refused: ReadonlySet<string>
}

function heldBy(images: Iterable<Pick<Image, 'bytes' | 'sha256' | 'state'>>): Held {
  const sizes = new Set<number>()
  const copies = new Map<string, number>()
  const refused = new Set<string>()
  for (const { bytes, sha256, state } of images) {
    sizes.add(bytes)
    if (sha256 === null) continue
    copies.set(sha256, (copies.get(sha256) ?? 0) + 1)
    if (state === 'rejected') refused.add(sha256)
  }
  return { sizes, copies, refused }
}

/** The digests of those that are meant and can be read, in their order. */
async function digestsOf<One extends { readonly file: File }>(
  some: readonly One[],
  needs: SortNeeds<One>,
): Promise<Map<One, string>> {
  const found = new Array<string | null>(some.length).fill(null)
  const rest = some.entries()
  async function takeTurns(): Promise<void> {
    for (const [index, one] of rest) {
      if (await needs.isMeant(one)) found[index] = await digestOrTell(one, needs)
    }
  }
  await Promise.all(Array.from({ length: DIGESTS_AT_A_TIME }, takeTurns))
  return new Map(some.flatMap((one, index) => (typeof found[index] === 'string' ? [[one, found[index]]] : [])))
}

async function digestOrTell<One extends { readonly file: File }>(one: One, needs: SortNeeds<One>): Promise<string | null> {
  try {
    return await needs.digest(one.file)
  } catch (error) {
    needs.onUnreadable(one, error instanceof FileProblem ? error : new FileProblem(String(error)))
    return null
  }
}
