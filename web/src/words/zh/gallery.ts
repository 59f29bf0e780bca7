/** 图片集合：筛选、搜索、排序、分组、选择。 */

import type { gallery as en } from '../en/gallery'

export const gallery: typeof en = {}
