/** 单张图片：卡片与大图。 */

import type { picture as en } from '../en/picture'

export const picture: typeof en = {}
