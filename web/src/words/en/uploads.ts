/** Files on their way: dropping, choosing, progress, pausing, and what was left out. */

export const uploads = {}
