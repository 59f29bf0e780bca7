/** 整个页面：页眉、空白、加载、结束、离线等状态与通知。 */

import type { BuiltinReason } from '../../rules/builtin'
import type { shell as en } from '../en/shell'
import { shared } from './shared'

export const shell: typeof en = {
  title: (progress) =>
    progress === null ? 'manyeyes' : `${shared.number(progress.settled)}/${shared.number(progress.total)} · manyeyes`,
  home: 'manyeyes，开始新批次',
  newBatch: '新批次',
  language: '语言',
  theme: '浅色或深色',
  themes: { system: '跟随系统', light: '浅色', dark: '深色' },
  connection: { connecting: '连接中', open: '实时', lost: '离线' },
  loading: '正在加载批次',

  ready: (workers) => (workers === 0 ? '尚无工作节点连接，图片会一直等到有为止。' : `${shared.workers(workers)}已就绪`),

  samples: {
    title: '手边没有图片？',
    send: '用这些试试',
    one: (name) => `用这张图片试试：${name}`,
    names: {
      airliner: '客机',
      balloon: '热气球',
      daisy: '雏菊',
      lighthouse: '灯塔',
      sailboat: '帆船',
      'school-bus': '校车',
      strawberry: '草莓',
      'traffic-light': '红绿灯',
      umbrella: '雨伞',
    },
    failed: '无法加载示例图片。',
  },

  notices: {
    label: '通知',
    away: (unsent) =>
      unsent === 0
        ? '无法连接管理节点。这里显示的内容都会保留，恢复后页面会自动继续。'
        : `无法连接管理节点。这里显示的内容都会保留，恢复后页面会自动继续；请不要关闭页面，还有 ${shared.files(unsent)}尚未上传。`,
    awayFor: (seconds) => `已断开 ${shared.wholeSeconds(seconds)}。`,
    nextTry: (seconds) => (seconds <= 0 ? '正在重试……' : `${shared.wholeSeconds(seconds)}后重试。`),
    tryNow: '立即重试',
    outdated: (unsent) =>
      unsent === 0
        ? '页面有新版本，重新加载不会丢失任何内容。'
        : `页面有新版本。最好等上传完成再重新加载，否则有 ${shared.files(unsent)}需要重新选择。`,
    reload: '重新加载',
    stuck(problem) {
      if (problem.code !== 'no_worker') return { words: shared.problem(problem), more: null }
      return {
        words: '没有工作节点连接；图片会一直等到有为止。',
        more: {
          title: '如何启动',
          words: '运行 `manyeyes worker --manager 主机:端口`，地址见管理节点启动时显示的“workers on”。',
          quoted: null,
        },
      }
    },
    builtin: (reason) => `目前由内置模型识别，它只能区分十类事物${reason === null ? '。' : `：${whyBuiltin(reason)}。`}`,
    getTitle: '如何获取 GoogLeNet',
    get: (isChosen) =>
      `GoogLeNet 能区分 1,000 类事物。请在运行工作节点的机器上运行 \`manyeyes model pull googlenet\`，或把 googlenet.onnx 放入 \`MANYEYES_MODELS\` 所指的文件夹，然后重新启动${isChosen ? '，不要再加 `--model builtin`' : ''}。`,
  },

  login: {
    title: '请出示令牌',
    why: '此管理节点需要令牌。可以向管理者要一个；它自己的令牌在启动时显示的网址里。',
    kept: '请输入令牌以继续。这里显示的内容都会保留，尚未上传的文件随后会继续上传。',
    label: '令牌',
    submit: '登录',
    busy: '正在登录……',
    wait: (seconds) => `请在 ${shared.wholeSeconds(seconds)}后重试。`,
    viewing: '你有此批次的网址，所以能看到它。有令牌还可以做更多。',
    later: '暂不',
    out: '退出登录',
  },

  ended({ code, message }) {
    switch (code) {
      case 'gone':
        return { title: '此批次已不存在', why: '它已被删除，或已过期。' }
      case 'no_such_batch':
        return { title: '没有这个批次', why: '它已被删除、已过期，或者网址不完整。' }
      default:
        return { title: '无法显示此批次', why: shared.problem({ code, message }) }
    }
  },
}

function whyBuiltin({ why, download }: BuiltinReason): string {
  if (why === 'chosen') return '启动时指定了它'
  const what = why === 'damaged' ? '本机上的 GoogLeNet 文件已损坏' : '本机没有 GoogLeNet'
  switch (download) {
    case null:
      return what
    case 'no_network':
      return `${what}，也无法下载（没有网络）`
    case 'no_source':
      return `${what}，也没有可供下载的来源`
    case 'failed':
      return `${what}，也未能下载`
  }
}
