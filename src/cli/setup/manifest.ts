import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { refusal } from './refusal.js'
import { isServer, type Server } from './server.js'
import { readSnapshot, type Snapshot } from './snapshot.js'

/** Something of ours. Paths are relative to the root, with slashes. */
export type Entry =
  | { readonly kind: 'folder'; readonly path: string }
  /** A whole file. `replaces` is the checksum of our own older one while that is being replaced. */
  | { readonly kind: 'file'; readonly path: string; readonly sha256: string; readonly replaces?: string }
  /** A block in a file; `created` where the file itself is of our making too. */
  | { readonly kind: 'block'; readonly path: string; readonly sha256: string; readonly created: boolean }

/** What init has made in a project, and what it was told: a second run is to come to the same. */
export interface Manifest {
  readonly servers: readonly Server[]
  /** Folder that the web server answers from, where it was given or found; null: `public` of the root. */
  readonly web: string | null
  /** Port of the app that the server files name. */
  readonly port: number | null
  readonly directory: string
  readonly database: string
  readonly entries: readonly Entry[]
}

/** The manifest on the disk. */
export interface StoredManifest extends Manifest {
  readonly bytes: Buffer
}

const NAME = '.file-signal.json'
const FORMAT = 1
const ABOUT = 'Made by file-signal init, for file-signal uninstall, which takes back what is listed here.'

export function manifestPath(root: string): string {
  return join(root, NAME)
}

/**
 * Reads the manifest of a project; null where there is none.
 *
 * Throws PATH_UNSAFE for a link, SETUP_FAILED where it cannot be read or understood.
 */
export function readManifest(root: string): StoredManifest | null {
  const path = manifestPath(root)
  const snapshot = readSnapshot(path)
  if (!snapshot) return null
  const { format, manifest } = parse(snapshot)
  if (typeof format === 'number' && format > FORMAT) {
    throw refusal(path, `has format ${format}, which a newer file-signal wrote`, 'update file-signal')
  }
  if (format === FORMAT && isManifest(manifest)) return { ...manifest, bytes: snapshot.bytes }
  throw refusal(
    path,
    'is not what init writes',
    'put back the file as it was, or delete it and run file-signal init: it knows its blocks by their markers',
  )
}

/** The manifest as it is written: the same bytes for the same contents, and a line for each entry. */
export function formatManifest({ servers, web, port, directory, database, entries }: Manifest): Buffer {
  const settings = { about: ABOUT, format: FORMAT, servers, web, port, directory, database }
  const lines = Object.entries(settings).map(([name, value]) => `  "${name}": ${JSON.stringify(value)},\n`)
  const list = entries.map((entry) => `\n    ${JSON.stringify(entry)}`).join(',')
  return Buffer.from(`{\n${lines.join('')}  "entries": [${list}\n  ]\n}\n`)
}

/** Files and blocks may share a path over time. */
export function keyOf({ kind, path }: Pick<Entry, 'kind' | 'path'>): string {
  return `${kind}:${path}`
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function parse(snapshot: Snapshot): { format: unknown; manifest: unknown } {
  try {
    const value: unknown = JSON.parse(snapshot.bytes.toString('utf8'))
    return { format: isObject(value) ? value.format : null, manifest: value }
  } catch {
    return { format: null, manifest: null }
  }
}

function isManifest(value: unknown): value is Manifest {
  return (
    isObject(value) &&
    Array.isArray(value.servers) &&
    value.servers.every(isServer) &&
    (value.web === null || isPath(value.web)) &&
    (value.port === null || typeof value.port === 'number') &&
    isPath(value.directory) &&
    isPath(value.database) &&
    Array.isArray(value.entries) &&
    value.entries.every(isEntry)
  )
}

function isEntry(value: unknown): value is Entry {
  if (!isObject(value) || !isPath(value.path)) return false
  if (value.kind === 'folder') return true
  if (typeof value.sha256 !== 'string') return false
  if (value.kind === 'file') return value.replaces === undefined || typeof value.replaces === 'string'
  return value.kind === 'block' && typeof value.created === 'boolean'
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
