/** 上传：拖放、选择、进度、暂停，以及略过的文件。 */

import type { uploads as en } from '../en/uploads'
import { shared } from './shared'

export const uploads: typeof en = {
  zone: {
    label: '添加图片',
    title: '众眼识图',
    invitation: '把图片或整个文件夹拖到这里，也可以粘贴。一有空闲的工作节点，就立即识别。',
    invitationToTouch: '一有空闲的工作节点，就立即识别。',
    more: '可将更多图片拖到页面任意位置，也可以粘贴。',
    letGo: '松开即开始上传',
    choosePictures: '选择图片',
    chooseFolder: '选择文件夹',
    formats: '支持 JPEG、PNG、WebP、GIF 和 BMP，每张不超过 32 MiB',
  },

  panel: {
    label: '上传',
    looking: (files) => `正在查看文件夹……已看 ${shared.files(files)}`,
    checking: (files) => `正在与已有的图片比对，共 ${shared.files(files)}……`,
    sending: (done, files) => `正在上传：${shared.number(done)} / ${shared.files(files)}`,
    paused: (left) => `已暂停，还剩 ${shared.files(left)}`,
    waiting: (left) => `正在等待管理节点，还剩 ${shared.files(left)}`,
    sent: (files) => `已上传 ${shared.files(files)}`,
    nothingSent: '没有上传任何文件',
    nothingToSend: '没有需要上传的文件',
    bytes: (done, all) => `${shared.fileSize(done)} / ${shared.fileSize(all)}`,
    pace: (bytesPerS) => `${shared.fileSize(Math.round(bytesPerS))}/秒`,
    left: (seconds) => `剩余${span(seconds)}`,
    alreadyThere: (files) => `${shared.number(files)} 个已存在`,
    cancelled: (files) => `${shared.number(files)} 个已取消`,
    failed: (files) => `${shared.files(files)}未能上传`,
    moreFailed: (files) => `另有 ${shared.number(files)} 个`,
    progress: '已上传的字节',
    pause: '暂停',
    resume: '继续',
    cancel: '取消',
    cancelTitle: '取消所有尚未上传的文件',
    retry: '重试',
    retryOf: (name) => `重试：${name}`,
    retryAll: '全部重试',
    dismiss: '移除',
    dismissOf: (name) => `移除 ${name}`,
    dismissAll: '全部移除',
    clear: '关闭',
  },

  leftovers: {
    leftOut: (files) => `文件夹中另有 ${shared.files(files)}不是图片，已略过。`,
    unreadable: (entries) => `有 ${shared.number(entries)} 个文件或文件夹无法在这台电脑上读取。`,
    isCut: (most) => `只取了前 ${shared.files(most)}：一个批次最多容纳这么多。`,
    isNoFile: '拖入的不是文件。请先把图片保存到这台电脑，再拖进来。',
  },

  state(state, share) {
    switch (state) {
      case 'checking':
        return '正在比对'
      case 'queued':
        return '等待上传'
      case 'sending':
        return share < 1 ? `正在上传 ${Math.floor(share * 100)} %` : '正在保存'
      case 'waiting':
        return '上传中断，稍后自动重试'
      case 'failed':
        return '未上传'
    }
  },
  progressOf: (name) => `${name} 的上传进度`,

  problem({ code, message }) {
    switch (code) {
      case 'too_large':
        return '文件超过 32 MiB。'
      case 'deleted':
        return '无法再读取该文件：它已从这台电脑上删除或移走。'
      case 'changed':
        return '无法再读取该文件：选择之后它被改动过。请重新选择。'
      case 'queue_full':
        return '等待的图片已达管理节点的上限，一有空位就继续上传。'
      case 'busy':
        return '管理节点正忙，一有空位就继续上传。'
      case 'too_many_from_you':
        return '你同时上传或等待的图片已达管理节点的上限，一有空位就继续上传。'
      case 'shutting_down':
        return '管理节点正在关闭，待它恢复后继续上传。'
      default:
        return shared.problem({ code, message })
    }
  },
}

function span(seconds: number): string {
  if (seconds < 5) return '几秒'
  if (seconds < 55) return ` ${Math.ceil(seconds / 5) * 5} 秒`
  if (seconds < 3600) return ` ${Math.round(seconds / 60)} 分钟`
  return ` ${(seconds / 3600).toFixed(1)} 小时`
}
