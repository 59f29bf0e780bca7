/** The SHA-256 of a file, by which the manager knows what it has. */

import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

/** So much of a file is in memory at a time. */
export const SLICE_BYTES = 2 ** 20

/**
 * The digest as 64 hex digits. The browser's own `crypto.subtle` would want the whole file in memory, and is not there on
 * a page that came over plain HTTP from another machine.
 */
export async function digestOf(file: Blob): Promise<string> {
  const hash = sha256.create()
  for (let begin = 0; begin < file.size; begin += SLICE_BYTES) {
    hash.update(new Uint8Array(await file.slice(begin, begin + SLICE_BYTES).arrayBuffer()))
  }
  return bytesToHex(hash.digest())
}
