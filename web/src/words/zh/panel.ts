/** 图片之外：工作节点、吞吐量、模型、事件与导出。 */

import type { panel as en } from '../en/panel'

export const panel: typeof en = {}
