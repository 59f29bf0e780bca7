/** 整个页面：页眉、空白、加载、结束、离线等状态与通知。 */

import type { shell as en } from '../en/shell'
import { shared } from './shared'

export const shell: typeof en = {
  newBatch: '新批次',

  ready: (workers) => (workers === 0 ? '尚无工作节点连接，图片会一直等到有为止。' : `${shared.workers(workers)}已就绪`),

  ended({ code, message }) {
    switch (code) {
      case 'gone':
        return { title: '此批次已不存在', why: '它已被删除，或已过期。', hint: '' }
      case 'no_such_batch':
        return { title: '没有这个批次', why: '它已被删除、已过期，或者网址不完整。', hint: '' }
      case 'token_needed':
        return {
          title: '需要访问令牌',
          why: '管理节点只回应知道令牌的人。',
          hint: '请打开管理节点启动时显示的完整网址，令牌在网址末尾。',
        }
      default:
        return { title: '无法显示此批次', why: shared.problem({ code, message }), hint: '' }
    }
  },
}
