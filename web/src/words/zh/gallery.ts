/** 图片集合：筛选、搜索、排序、分组、选择。 */

import type { Deed } from '../../composables/useSelection'
import type { Sort, StateChoice } from '../../rules/view'
import type { gallery as en } from '../en/gallery'
import { shared } from './shared'

const STATES: Record<StateChoice, string> = {
  all: '全部',
  uploading: '上传中',
  waiting: '等待中',
  assigned: '识别中',
  recognised: '已识别',
  unsure: '不确定',
  failed: '失败',
  rejected: '未接受',
  cancelled: '已取消',
}

const SORTS: Record<Sort, string> = {
  oldest: '最早的在前',
  newest: '最新的在前',
  name: '按名称',
  label: '按标签',
  surest: '最有把握的在前',
  least_sure: '最没把握的在前',
  slowest: '最慢的在前',
  largest: '最大的在前',
}

const DONE: Record<Deed, (pictures: string) => string> = {
  retry: (pictures) => `${pictures}将重新识别。`,
  cancel: (pictures) => `已取消识别 ${pictures}。`,
  delete: (pictures) => `已删除 ${pictures}。`,
}

const REFUSED: Record<Deed, string> = {
  retry: '尚未结束，或已不存在',
  cancel: '已经结束，或已不存在',
  delete: '早已不存在',
}

export const gallery: typeof en = {
  pictures: '图片',
  tools: '显示的内容与方式',
  search: '搜索名称和标签',
  searchBriefly: '搜索',
  filters: (inUse) => (inUse === 0 ? '筛选' : `筛选（${inUse}）`),
  state: (choice) => STATES[choice],
  states: '显示哪些图片',
  sorting: '排序',
  sort: (sort) => SORTS[sort],
  label: '标签',
  anyLabel: '所有标签',
  findLabel: '查找标签',
  noSuchLabel: '这里没有这个标签',
  moreLabels: (count) => `另有 ${shared.number(count)} 个，请按名称查找`,
  group: '按标签分组',
  threshold: '低于此值视为不确定',
  thresholdOff: '关',
  thresholdHelp: '识别把握低于此值的图片视为不确定。',
  notSure: '不确定',
  noLabel: '没有标签',
  shown: (count, all) => (count === all ? shared.pictures(all) : `${shared.number(count)} / ${shared.pictures(all)}`),
  showAll: '显示全部',
  nothing: '没有符合条件的图片',
  nothingHelp: '这个批次里没有您要找的图片。',
  selectAll: '全选',
  selected: (count) => `已选 ${shared.pictures(count)}`,
  hidden: (count) => `其中 ${shared.number(count)} 张未显示`,
  selectionTools: '所选图片',
  retry: (count, all) => (count === all ? '重新识别' : `重新识别 ${shared.number(count)} 张`),
  cancel: (count, all) => (count === all ? '取消识别' : `取消识别 ${shared.number(count)} 张`),
  delete: '删除',
  clear: '清除选择',
  close: '关闭',
  confirmTitle: (count) => `删除 ${shared.pictures(count)}？`,
  confirmText: '图片及其文件和识别结果都会从管理节点删除，无法恢复。',
  keep: '保留',
  outcome({ deed, done, refused }) {
    const said = done > 0 || refused === 0 ? DONE[deed](shared.pictures(done)) : ''
    return refused === 0 ? said : `${said}${shared.pictures(refused)}${REFUSED[deed]}。`
  },
}
