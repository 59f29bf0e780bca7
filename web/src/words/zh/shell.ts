/** 整个页面：页眉、空白、加载、结束、离线等状态与通知。 */

import type { shell as en } from '../en/shell'

export const shell: typeof en = {}
