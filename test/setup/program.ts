import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { skip } from '../support/skip.js'

/**
 * The path of a real program that a test runs against.
 *
 * Where it is missing the test says so and skips; on a build machine (CI is set) it fails, because
 * there test/setup/install.js was to install it.
 */
export function needProgram(context: Mocha.Context, program: string, debianPackage: string): string {
  const path = findProgram(program)
  if (path) return path
  const why = `${program} is not installed; run: apt-get install ${debianPackage}`
  if (process.env.CI) throw new Error(why)
  return skip(context, why)
}

/** The path of a program that is installed, or null. */
export function findProgram(program: string): string | null {
  // Servers live in /usr/sbin, which an ordinary user's PATH leaves out.
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']) {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return join(folder, program)
    } catch {}
  }
  return null
}
