/** 上传：拖放、选择、进度、暂停，以及略过的文件。 */

import type { uploads as en } from '../en/uploads'

export const uploads: typeof en = {}
