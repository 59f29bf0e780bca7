/** 数字、大小、时间，以及图片与工作节点的状态。 */

import type { Image, WorkerState } from '../../protocol'
import type { shared as en } from '../en/shared'
import { shared as english } from '../en/shared'

const plain = new Intl.NumberFormat('zh')

export const shared: typeof en = {
  number: (value) => plain.format(value),
  pictures: (count) => `${plain.format(count)} 张图片`,
  files: (count) => `${plain.format(count)} 个文件`,
  workers: (count) => `${plain.format(count)} 个工作节点`,
  percent: english.percent,

  milliseconds(span) {
    if (span < 10) return `${span.toFixed(1)} 毫秒`
    if (span < 1000) return `${Math.round(span)} 毫秒`
    return shared.seconds(span / 1000)
  },

  seconds(span) {
    if (span < 60) return `${span.toFixed(1)} 秒`
    const whole = Math.round(span)
    return `${Math.floor(whole / 60)} 分 ${whole % 60} 秒`
  },

  wholeSeconds(span) {
    const whole = Math.round(span)
    return whole < 60 ? `${whole} 秒` : `${Math.floor(whole / 60)} 分 ${whole % 60} 秒`
  },

  fileSize: english.fileSize,
  imageRate: (perSecond) => `${perSecond.toFixed(perSecond >= 100 ? 0 : 1)} 张/秒`,
  bitRate: english.bitRate,
  // 类别名称来自模型，只有英文。
  label: english.label,

  imageState(image: Image) {
    switch (image.state) {
      case 'waiting':
        return image.attempts > 0 ? '重新等待' : '等待中'
      case 'assigned':
        return image.worker ? `正由 ${image.worker} 识别` : '正在识别'
      case 'recognised':
        return recognised(image)
      case 'failed':
        return '失败'
      case 'rejected':
        return '未接受'
      case 'cancelled':
        return '已取消'
    }
  },

  workerState(state: WorkerState) {
    const words: Record<WorkerState, string> = {
      idle: '空闲',
      busy: '忙碌',
      draining: '收尾中',
      setaside: '已暂停',
      silent: '无应答',
      gone: '已离开',
    }
    return words[state]
  },

  problem({ code, message }) {
    if (code === 'unknown') return `出现意外问题：${message.replace(/[.。]$/, '')}。`
    return PROBLEMS[code] ?? english.problem({ code, message })
  },

  asSaid: english.asSaid,
}

function recognised(image: Image): string {
  const { decoding, inference } = image.timing_ms
  const took = decoding === null && inference === null ? '' : `，用时 ${shared.milliseconds((decoding ?? 0) + (inference ?? 0))}`
  return image.worker ? `由 ${image.worker} 识别${took}` : `已识别${took}`
}

/** 按 docs/api.md 的错误代码。此处没有的，用管理节点的原话。 */
const PROBLEMS: Record<string, string> = {
  empty: '文件是空的。',
  not_an_image: '这不是图片文件。',
  unsupported_format: '不支持这种图片格式。',
  too_large: '文件太大，最多 32 MiB。',
  too_many_pixels: '像素太多，最多一亿。',
  bad_name: '文件名不可用。',
  truncated: '文件不完整，图片没有到结尾。',
  damaged: '文件已损坏。',
  worker_failures: '它使两个不同的工作节点崩溃或停滞，不再尝试。',
  lost: '管理节点无法从磁盘读回该文件。',
  queue_full: '等待的图片超过了管理节点的上限。',
  busy: '管理节点正忙，请稍候。',
  too_many_from_you: '你同时提出的请求已达管理节点的上限，请稍候。',
  shutting_down: '管理节点正在关闭：工作节点手中的图片会处理完，其余的都已保存，等它恢复后继续。',
  no_space: '管理节点没有空间了。',
  unreachable: '无法连接管理节点。',
  aborted: '上传已停止。',
  unreadable: '无法再从这台电脑读取该文件。',
  no_such_batch: '没有这个批次，或者它已过期。',
  bad_request: '请求无法读取。',
  token_needed: '需要令牌，请先登录。',
  token_unknown: '这不是此管理节点的令牌。',
  token_expired: '此令牌已过期。',
  token_revoked: '此令牌已被撤销。',
  role_too_small: '此令牌的权限不足以执行该操作。',
  too_many_tries: '你所在的地址输错令牌的次数太多。',
  foreign_host: '管理节点不认识这个网址中的主机名。',
  foreign_origin: '管理节点拒绝来自其他网站的请求。',
  no_such_image: '没有这张图片，或者它已被删除。',
  no_file: '没有这个文件。',
  no_thumbnail: '无法生成缩略图。',
  no_such_address: '没有这个地址。',
  wrong_method: '该地址不支持这种请求。',
  too_slow: '传输太慢，管理节点不再等待。',
  ended: '这张图片已经处理完毕。',
  not_retriable: '这张图片现在不能重新识别。',
  request_too_large: '请求超过了管理节点的上限。',
  internal: '管理节点内部出错，详情见其日志。',
  not_ready: '管理节点尚未就绪。',
  gone: '此批次已被删除，或已过期。',
  no_model: '连接的工作节点都没有模型。',
  model_mismatch: '此批次余下的图片在等待开始识别它的那个模型，而现有工作节点用的是另一个。要改用现有模型，请重新识别一张已识别的图片；若已没有，请取消一张等待中的图片，再重新识别它。',
  no_worker: '没有工作节点连接；图片会一直等到有为止。',
}
