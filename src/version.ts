import { VERSION } from './embedded/version.js'

/** The version of this package, also where a bundler has made it a part of another one. */
export function packageVersion(): string {
  return VERSION
}
