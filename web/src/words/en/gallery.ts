/** The pictures together: filter, search, sort, group, select. */

import type { Deed, Outcome } from '../../composables/useSelection'
import type { Sort, StateChoice } from '../../rules/view'
import { shared } from './shared'

const STATES: Record<StateChoice, string> = {
  all: 'All',
  uploading: 'On their way',
  waiting: 'Waiting',
  assigned: 'With workers',
  recognised: 'Recognised',
  unsure: 'Not sure',
  failed: 'Failed',
  rejected: 'Not accepted',
  cancelled: 'Cancelled',
}

const SORTS: Record<Sort, string> = {
  oldest: 'Oldest first',
  newest: 'Newest first',
  name: 'By name',
  label: 'By label',
  surest: 'Most certain first',
  least_sure: 'Least certain first',
  slowest: 'Slowest first',
  largest: 'Largest first',
}

const DONE: Record<Deed, (pictures: string) => string> = {
  retry: (pictures) => `${pictures} to be recognised once more.`,
  cancel: (pictures) => `${pictures} cancelled.`,
  delete: (pictures) => `${pictures} deleted.`,
}

const REFUSED: Record<Deed, string> = {
  retry: 'had not ended, or had gone',
  cancel: 'had ended already, or had gone',
  delete: 'had gone already',
}

export const gallery = {
  pictures: 'Pictures',
  tools: 'What is shown, and how',
  search: 'Search names and labels',
  searchBriefly: 'Search',
  /** Of how many of them something is asked. */
  filters: (inUse: number) => (inUse === 0 ? 'Filters' : `Filters (${inUse})`),
  state: (choice: StateChoice) => STATES[choice],
  states: 'Which pictures',
  sorting: 'Sort',
  sort: (sort: Sort) => SORTS[sort],
  label: 'Label',
  anyLabel: 'All labels',
  findLabel: 'Find a label',
  noSuchLabel: 'No such label here',
  moreLabels: (count: number) => `and ${shared.number(count)} more: find them by name`,
  group: 'Group by label',
  threshold: 'Not sure below',
  thresholdOff: 'off',
  thresholdHelp: 'A picture recognised with less confidence than this counts as not sure.',
  notSure: 'Not sure',
  noLabel: 'Without a label',
  shown: (count: number, all: number) =>
    count === all ? shared.pictures(all) : `${shared.number(count)} of ${shared.pictures(all)}`,
  showAll: 'Show all',
  nothing: 'Nothing matches',
  nothingHelp: 'No picture of this batch is what you asked for.',
  selectAll: 'Select all',
  selected: (count: number) => `${shared.number(count)} selected`,
  hidden: (count: number) => `${shared.number(count)} of them not shown`,
  selectionTools: 'Selected pictures',
  retry: (count: number, all: number) => (count === all ? 'Run again' : `Run ${shared.number(count)} again`),
  cancel: (count: number, all: number) => (count === all ? 'Cancel' : `Cancel ${shared.number(count)}`),
  delete: 'Delete',
  clear: 'Clear selection',
  close: 'Close',
  confirmTitle: (count: number) => `Delete ${shared.pictures(count)}?`,
  confirmText: 'They are removed from the manager with their files and answers. This cannot be undone.',
  keep: 'Keep them',
  outcome({ deed, done, refused }: Outcome): string {
    const said = done > 0 || refused === 0 ? DONE[deed](shared.pictures(done)) : ''
    return refused === 0 ? said : `${said} ${shared.pictures(refused)} ${REFUSED[deed]}.`.trim()
  },
}
