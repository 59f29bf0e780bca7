/** Work that is asked for hundreds of times a second, and done once in a frame of the screen. */

/** A page that is not looked at draws no frames, but goes on taking in what it hears. */
export const HIDDEN_FRAME_MS = 250

/** Calls back when the next frame is due. */
export type NextFrame = (callback: () => void) => void

/**
 * Gives a function that has `work` done: at once, or, when it was done in this frame already, in the next one, where any
 * number of calls come to one.
 */
export function oncePerFrame(work: () => void, nextFrame: NextFrame = theNextFrame): () => void {
  let isResting = false
  let isWanted = false

  function ask(): void {
    isWanted = isResting
    if (isResting) return
    isResting = true
    nextFrame(() => {
      isResting = false
      if (isWanted) ask()
    })
    work()
  }

  return ask
}

function theNextFrame(callback: () => void): void {
  if (document.hidden) setTimeout(callback, HIDDEN_FRAME_MS)
  else requestAnimationFrame(callback)
}
