// In a variable, for webpack takes whatever a URL names beside `import.meta.url` itself into the bundle, and then fails on it.
const HERE = import.meta.url

/** The URL of a file of this package, by its path from `dist/doctor`. */
export function ownFile(path: string): URL {
  return new URL(path, HERE)
}
