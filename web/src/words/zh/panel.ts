/** 图片之外：工作节点、吞吐量、模型、事件与导出。 */

import type { ImageState } from '../../protocol'
import type { panel as en } from '../en/panel'
import { shared } from './shared'

export const panel: typeof en = {
  title: '实时状态',
  digest: (workers, perSecond) =>
    [workers === null ? '' : shared.workers(workers), perSecond === null || perSecond === 0 ? '' : shared.imageRate(perSecond)]
      .filter((part) => part !== '')
      .join(' · '),

  progress: {
    title: '本批次的进度',
    bar: '已完成的图片',
    headline({ settled, total, recognised, isDone }) {
      if (total === 0) return '没有图片'
      if (!isDone) return `${shared.pictures(total)}中已完成 ${shared.number(settled)} 张`
      if (recognised === total) return total === 1 ? '图片已识别' : `${shared.pictures(total)}全部识别完成`
      return `${shared.pictures(total)}中识别了 ${shared.number(recognised)} 张`
    },
    tally(state, count) {
      const words: Record<ImageState | 'uploading', string> = {
        uploading: '上传中',
        waiting: '等待中',
        assigned: '识别中',
        recognised: '已识别',
        failed: '失败',
        rejected: '未接受',
        cancelled: '已取消',
      }
      return `${words[state]} ${shared.number(count)}`
    },
    achieved: ({ images_per_s, file_bits_per_s, elapsed_s }) =>
      `用时 ${shared.seconds(elapsed_s)} · 平均 ${shared.imageRate(images_per_s)} · ${shared.bitRate(file_bits_per_s)}`,
    achievedExplained: '从第一次上传到最后一个结果；比特数按图片文件计算，不是网络实际传输量',
  },

  throughput: {
    title: '吞吐量',
    unit: '张/秒',
    explained: '本批次每秒得到的结果。每个点是它之前五秒的平均值。',
    rate: (perSecond) => perSecond.toFixed(perSecond >= 100 ? 0 : 1),
    ago: (seconds) => (seconds === 0 ? '' : `${seconds} 秒前`),
    nothing: '尚无数据，曲线从现在开始',
    twoMinutesAgo: '2 分钟前',
    oneMinuteAgo: '1 分钟前',
    now: '现在',
    said({ now, highest, mean }) {
      if (highest === null || mean === null) return '最近两分钟的情况还不清楚。'
      if (highest === 0) return '本页打开以来，最近两分钟内没有结果。'
      const current = now === null ? '当前未知' : `当前 ${shared.imageRate(now)}`
      return `最近两分钟的吞吐量：${current}，最高 ${shared.imageRate(highest)}，平均 ${shared.imageRate(mean)}。`
    },
  },

  queue: {
    title: '队列',
    explained: '管理节点上所有批次中尚未完成的图片',
    waiting: '等待中',
    assigned: '识别中',
    ofThisBatch: (count) => `本批次 ${shared.number(count)}`,
  },

  workers: {
    title: '工作节点',
    none: '没有工作节点连接。',
    name: '名称',
    inFlight: '处理中',
    inFlightExplained: '已分给它、尚未得到结果的图片',
    rate: '张/秒',
    rateExplained: '最近十秒内每秒识别的图片',
    rtt: '往返',
    rttExplained: '管理节点与工作节点之间的平滑往返时间',
    share: '占比',
    shareExplained: '在这些工作节点的全部结果中所占的比例',
    failures: (count) => `失败 ${shared.number(count)}`,
    sharePercent: (share) => `${Math.round(share * 100)} %`,
    more: '更多数据',
    answered: '已识别',
    service: '处理',
    serviceExplained: '一张图片在该节点上的平滑处理时间：解码与推理',
    sent: '发送',
    sentExplained: '套接字发往该节点的字节数',
    received: '接收',
    receivedExplained: '套接字从该节点收到的字节数',
    resent: '重传',
    resentExplained: '重新发往该节点的 TCP 报文段；使用 QUIC 时为判定丢失的数据包',
    window: '窗口',
    windowExplained: '其连接同时允许在途的数据量',
    unknown: '–',
  },

  happenings: {
    title: '最近发生',
    none: '最近一小时没有异常。',
    more: (count) => `更早的 ${shared.number(count)} 条`,
    happened({ kind, worker, images, detail }) {
      switch (kind) {
        case 'joined':
          return `${worker} 已加入`
        case 'left':
          return `${worker} 已离开${moved(images)}`
        case 'lost':
          return `${worker} 失去连接${moved(images)}`
        case 'silent':
          return `${worker} 没有应答${moved(images)}`
        case 'back':
          return `${worker} 已恢复`
        case 'refused':
          return `${worker} 被拒绝${detail ? `：${detail}` : ''}`
        case 'setaside':
          return `${worker} 已暂停使用${detail ? `：${detail}` : ''}`
        case 'restored':
          return `${worker} 已重新启用`
      }
    },
    ago({ unit, count }) {
      if (unit === 'now') return '刚刚'
      return unit === 'seconds' ? `${count} 秒前` : `${count} 分钟前`
    },
  },

  model: {
    title: '模型',
    unverified: '未验证',
    verifiedExplained: '模型文件的摘要在本程序已知的列表中。',
    unverifiedWhy: '模型文件的摘要不在本程序已知的列表中：它可能不是其名称所指的模型。',
    builtin: '内置模型',
    builtinClassCount: '十类',
    builtinClasses: ['飞机', '汽车', '鸟', '猫', '鹿', '狗', '青蛙', '马', '船', '卡车'],
    builtinElse: '其他内容的图片也只会得到其中一个名称。',
  },

  exports: {
    title: '导出',
    csv: 'CSV',
    json: 'JSON',
    csvExplained: '以表格（CSV）下载全部结果',
    jsonExplained: '以 JSON 下载全部结果',
    unfinished: (count) => `还有 ${shared.pictures(count)}未完成：现在导出的文件只包含目前已知的结果。`,
  },
}

function moved(images: number): string {
  return images === 0 ? '' : `；它的 ${shared.number(images)} 张图片已转给其他节点`
}
