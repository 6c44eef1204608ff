import type { Diagnosis } from './doctor/doctor.js'
import type { DoctorOptions } from './doctor/options.js'
import { FileSignalError } from './errors.js'
import { isBundled } from './library.js'

/**
 * Looks at everything that a stream needs, on this machine and, with `url`, at the address of a stream: what is
 * as it should be, what is not, and what to do about it. Run it inside the web process too, for that is
 * another user in another environment: `await doctor({ url, events })`.
 *
 * It creates the store where it is missing, publishes two events of the key `file-signal:doctor`, and removes
 * what else it makes. With `url` it opens some streams, and leaves them. It always ends: within some 20 s, or `idle` more.
 *
 * Rejects with OPTION_INVALID and KEY_INVALID, and with LIBRARY_MISSING where a bundler has taken this code along without
 * the programs that it starts, or where ES modules cannot be loaded (Jest in CommonJS); whatever else is wrong is a check that failed.
 */
export async function doctor(options: DoctorOptions = {}): Promise<Diagnosis> {
  // Loaded when it is asked for: an app that streams needs none of it.
  const { diagnose } = await load()
  return diagnose(options)
}

async function load(): Promise<typeof import('./doctor/doctor.js')> {
  const remedy = 'run: npx file-signal doctor, or let the bundler leave file-signal out (external)'
  if (isBundled()) {
    const what = 'doctor() starts programs of the package, and this bundle has none of them'
    throw new FileSignalError('LIBRARY_MISSING', what, { remedy })
  }
  try {
    return await import('./doctor/doctor.js')
  } catch (cause) {
    throw new FileSignalError('LIBRARY_MISSING', 'doctor() cannot be loaded here', { cause, remedy })
  }
}
