/** The pictures together: filter, search, sort, group, select. */

export const gallery = {}
