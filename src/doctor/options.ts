import { FileSignalError, quote } from '../errors.js'
import { checkKey } from '../event.js'
import type { FileSignal } from '../file-signal.js'
import { duration, fn, refuseUnknown } from '../option-values.js'
import { type Duration, type FileSignalOptions, type Settings, validateOptions } from '../options.js'
import { createReport } from '../report.js'
import { guarded } from '../safe-call.js'
import { DOCTOR_KEY } from './local/delivery.js'
import type { Check } from './result.js'
import type { OnIdle } from './web/idle.js'
import { parseTarget, type Target } from './web/target.js'

/** What `doctor()` takes; everything is optional. */
export interface DoctorOptions
  extends Pick<FileSignalOptions, 'root' | 'directory' | 'database' | 'mode' | 'group'> {
  /** Address of a stream, to be looked at from the outside. */
  url?: string
  /** False to look at the address alone, as from another machine. Default true. */
  local?: boolean
  /** Publishes 6 to 11 events of the name `doctor` to this key, which the address must stream; true: to `file-signal:doctor`. They stay, and count in `replay`. */
  publish?: string | true
  /** Watches the open stream for so long, to see who cuts it. Default: not at all. */
  idle?: Duration
  /** Further request headers, such as a cookie. They are sent to the address's own site alone. */
  headers?: Readonly<Record<string, string>>
  /** True to go on with a certificate that browsers refuse. */
  insecure?: boolean
  /** The app's own instance, where the doctor runs inside the app: then it sees streams come and go. */
  events?: Pick<FileSignal, 'stats'>
  /** Gets each check as soon as it is done. */
  onCheck?: (check: Check) => void
  /** Called about once a second during `idle`, with milliseconds. */
  onIdle?: OnIdle
}

/** Options after validation. */
export interface DoctorSettings {
  readonly places: Pick<Settings, 'root' | 'directory' | 'database' | 'mode' | 'group'>
  readonly target: Target | null
  readonly local: boolean
  readonly publish: string | null
  readonly idle: number | null
  readonly headers: Readonly<Record<string, string>>
  readonly insecure: boolean
  readonly events: Pick<FileSignal, 'stats'> | null
  readonly onCheck: (check: Check) => void
  readonly onIdle: OnIdle
}

const NAMES = ['url', 'local', 'publish', 'idle', 'headers', 'insecure', 'events', 'onCheck', 'onIdle']
const PLACES = ['root', 'directory', 'database', 'mode', 'group'] as const
const HOUR = 60 * 60 * 1000

/** The doctor has findings and no `onError`: what fails besides is a process warning. */
const warn = createReport(null)

/** Throws OPTION_INVALID and KEY_INVALID. */
export function validateDoctor(options: DoctorOptions): DoctorSettings {
  refuseUnknown(options, 'doctor', [...NAMES, ...PLACES])
  const { url, publish, idle, local = true } = options
  const target = url === undefined ? null : parseTarget(url)
  if (target === null && (publish !== undefined || idle !== undefined || !local)) {
    throw new FileSignalError('OPTION_INVALID', 'publish, idle and local: false need an address to look at', {
      remedy: 'give the address of a stream, such as https://example.org/orders.sse',
    })
  }
  const given = Object.fromEntries(
    PLACES.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  )
  return {
    places: validateOptions(given),
    target,
    local,
    publish: publish === undefined ? null : checkKey(publish === true ? DOCTOR_KEY : publish),
    idle: duration(idle, 'idle', 1000, HOUR),
    headers: checkHeaders(options.headers ?? {}),
    insecure: options.insecure ?? false,
    events: options.events ?? null,
    onCheck: guarded('onCheck', fn(options.onCheck, 'onCheck'), warn),
    onIdle: guarded('onIdle', fn(options.onIdle, 'onIdle'), warn),
  }
}

/** A line break would end the header, and begin whatever comes after it. */
function checkHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) continue
    throw new FileSignalError(
      'OPTION_INVALID',
      `header ${quote(name)}, or its value of ${String(value).length} characters, is none that can be sent`,
      {
        remedy: 'use a name and one line of text, such as "Cookie: session=abc"',
      },
    )
  }
  return headers
}
