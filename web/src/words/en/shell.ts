/** The page as a whole: its top, its empty, loading, ended and offline states, its notices. */

export const shell = {}
