/** A line in which thousands wait: taking the first does not move all others, as `Array.shift` does. */

/** Who waits, the first first. */
export interface Queue<T> {
  readonly length: number
  /** At the end. */
  put(one: T): void
  /** Before all others. */
  putFirst(one: T): void
  /** Takes the first. */
  take(): T | undefined
  clear(): void
}

/** So many places that were left are dropped together. */
const LEFT_PLACES = 1024

/** An empty line. */
export function makeQueue<T>(): Queue<T> {
  let line: (T | undefined)[] = []
  /** Where the first stands in `line`. */
  let first = 0
  /** Those that were put before the first, the foremost last. */
  const before: T[] = []

  return {
    get length() {
      return before.length + line.length - first
    },
    put: (one) => void line.push(one),
    putFirst: (one) => void before.push(one),
    take() {
      if (before.length > 0) return before.pop()
      if (first === line.length) return undefined
      const one = line[first]
      line[first] = undefined
      first += 1
      if (first >= LEFT_PLACES && first * 2 >= line.length) {
        line = line.slice(first)
        first = 0
      }
      return one
    },
    clear() {
      line = []
      first = 0
      before.length = 0
    },
  }
}
