import type { Diagnosis } from './doctor/doctor.js'
import type { DoctorOptions } from './doctor/options.js'

/**
 * Looks at everything that a stream needs, on this machine and, with `url`, at the address of a stream: what is
 * as it should be, what is not, and what to do about it. Run it inside the web process too, for that is
 * another user in another environment: `await doctor({ url, events })`.
 *
 * It creates the store where it is missing, publishes two events of the key `file-signal:doctor`, and removes
 * what else it makes. With `url` it opens some streams, and leaves them. It always ends: within some 20 s, or `idle` more.
 *
 * Rejects with OPTION_INVALID and KEY_INVALID; whatever else is wrong is a check that failed.
 */
export async function doctor(options: DoctorOptions = {}): Promise<Diagnosis> {
  // Loaded when it is asked for: an app that streams needs none of it.
  const { diagnose } = await import('./doctor/doctor.js')
  return diagnose(options)
}
