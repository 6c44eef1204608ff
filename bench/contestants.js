import { openBareDesign } from './bare-design.js'
import { openFileSignal } from './file-signal.js'
import { openRawHttp } from './raw-http.js'

/** Who takes part, by the name that the workers are started with. */
export const CONTESTANTS = { bare: openBareDesign, ours: openFileSignal, raw: openRawHttp }
