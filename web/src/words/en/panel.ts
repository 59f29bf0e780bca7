/** What happens beside the pictures: workers, throughput, model, happenings, exports. */

export const panel = {}
