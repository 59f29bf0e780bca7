/** One picture: its card, and the large view of it. */

export const picture = {}
