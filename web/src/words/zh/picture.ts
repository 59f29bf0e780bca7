/** 单张图片：卡片与大图。 */

import type { picture as en } from '../en/picture'
import { lightbox } from './lightbox'

export const picture: typeof en = {
  card: {
    unsure: (label) => `不确定：${label}`,
    select: (name) => `选择 ${name}`,
    retry: '重试',
    retryOf: (name) => `重试：${name}`,
  },
  lightbox,
}
