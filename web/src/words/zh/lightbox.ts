/** 单张图片的大图。 */

import type { PartName } from '../../rules/timeline'
import type { lightbox as en } from '../en/lightbox'
import { lightbox as english } from '../en/lightbox'
import { shared } from './shared'

const PARTS: Record<PartName, string> = {
  upload: '上传',
  waiting: '等待',
  sending: '发送',
  receive: '接收',
  worker_queue: '节点排队',
  decoding: '解码',
  inference: '推理',
  returning: '返回',
  rest: '未知细节',
}

const EXPLAINED: Record<PartName, string> = {
  upload: '从上传的第一个字节到管理节点安全保存',
  waiting: '在管理节点等待，直到有工作节点接手',
  sending: '发往工作节点的途中',
  receive: '工作节点从收到第一个字节到最后一个字节',
  worker_queue: '在工作节点等待，直到它有空',
  decoding: '从文件字节到模型输入',
  inference: '运行模型',
  returning: '返回途中：往返时间的一半',
  rest: '总时间减去已知的各部分',
}

export const lightbox: typeof en = {
  place: english.place,
  turned: (place, total, name) =>
    place === null ? name : `第 ${shared.number(place)} 张，共 ${shared.number(total)} 张：${name}`,
  close: '关闭',
  previous: '上一张',
  next: '下一张',
  photo: (name) => `图片 ${name}`,

  loading: '正在加载原图',
  smallOnly: '浏览器无法显示该文件，这里显示的是缩略图。',
  noPhoto: '没有可显示的图片',
  noPhotoWhy: '该文件无法作为图片读取，或者无法获取。',
  deleted: '这张图片已被删除',
  deletedWhy: '由您或由打开同一批次的其他人删除。',

  notSure: '不确定',
  notSureWhy: (probability, threshold) =>
    `最可能的结果只有 ${shared.percent(probability)}，低于您要求的 ${shared.percent(threshold)}。`,
  answers: '最可能的结果',
  awaited: '结果一出来就会显示在这里。',
  noAnswer: '不会再有节点识别这张图片。',

  facts: '详情',
  state: '状态',
  size: '大小',
  sent: '识别所用',
  smallerForm: (bytes) => `缩小后的版本，${shared.fileSize(bytes)}`,
  dimensions: '尺寸',
  pixels: english.pixels,
  type: '格式',
  worker: '工作节点',
  model: '模型',
  attempts: '尝试次数',
  attemptsExplained: '分配给工作节点的次数',
  typeOf: english.typeOf,

  timeline: {
    title: '时间去向',
    part: '阶段',
    time: '时间（毫秒）',
    total: '合计',
    partName: (name) => PARTS[name],
    explained: (name) => EXPLAINED[name],
    tenths: english.timeline.tenths,
    ms: '毫秒',
    unknown: '–',
    unknownExplained: '未知',
  },

  wire: {
    title: '线路用量',
    sent: '发送',
    sentExplained: '发往工作节点的文件字节数，包括重传的部分',
    resent: '重传',
    resentExplained: '该图片传输期间，连接重传的字节中属于它的部分',
    share: english.wire.share,
    rtt: '往返',
    rttExplained: '收到结果时该连接的平滑往返时间',
    window: '窗口',
    windowExplained: '该连接同时允许在途的数据量',
    delivery: '送达速率',
    deliveryExplained: '最近测得的线路送达速率；没有更多数据可发时，低于线路的能力',
  },

  original: '原文件',
  runAgain: '重新识别',
  delete: '删除',
  deleteForGood: '确定永久删除？',
  keep: '保留',
}
