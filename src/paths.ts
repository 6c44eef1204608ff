import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { attempt } from './attempt.js'
import { FileSignalError } from './errors.js'
import { ENVIRONMENT } from './options.js'

/** Where an instance keeps its files; all absolute. Each is worked out at its first call and remembered. */
export interface Paths {
  /** The project root, as a real path, and in a few words the rule that found it. Throws ROOT_UNKNOWN. */
  root(): Root
  /** The folder of the signal file. Throws ROOT_UNKNOWN where it is relative. */
  directory(): string
  /** The signal file of this store: two stores in one folder have two. Throws ROOT_UNKNOWN as `directory`. */
  signalFile(): string
  /** The store. Throws ROOT_UNKNOWN where it is relative. */
  database(): string
}

export interface Root {
  readonly path: string
  readonly rule: string
}

/** The options that say where things lie; null where an option is not given. */
export interface PathOptions {
  readonly root: string | null
  readonly directory: string | null
  readonly database: string | null
}

/** What the process tells about itself. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly script: string | undefined
  readonly cwd: () => string
}

const DIRECTORY = join('tmp', 'sse_signals')
const STORE = 'sse_payloads.sqlite'
const NODE_MODULES = `${sep}node_modules${sep}`

/** Start files of hosting panels: they run the app, and are no part of it. */
const LOADERS = Object.freeze(['node-loader.js', 'lsnode.js', 'lsnodesm.js'])

/**
 * Finds out where the files of an instance lie. Options beat the environment; relative paths are
 * relative to the root, never to the working directory: cron starts in `$HOME`.
 *
 * Touches nothing until a path is asked for, and creates nothing at all.
 */
export function createPaths(options: PathOptions, surroundings: Surroundings = ofThisProcess()): Paths {
  const { env } = surroundings
  const given = {
    directory: options.directory ?? (setting(env, 'directory') || DIRECTORY),
    database: options.database ?? (setting(env, 'database') || join('data', STORE)),
  }
  const root = once(() => findRoot(options.root, surroundings))
  const directory = once(() => under(root, given.directory))
  return {
    root,
    directory,
    signalFile: once(() => join(directory(), signalName(given.database))),
    database: once(() => under(root, given.database)),
  }
}

/**
 * The root that the rules find where neither an option nor FILE_SIGNAL_ROOT names one: the project of the running
 * program. Null where they find none. Not remembered.
 */
export function runningProject(surroundings: Surroundings = ofThisProcess()): Root | null {
  const { env, script, cwd } = surroundings
  return (
    ofPanel(env, cwd) ??
    ofScript(script, env.pm_exec_path) ??
    ofModules(script, cwd) ??
    ofWorkingFolder(env, cwd)
  )
}

/**
 * The project folder that a path of an instance lies in: the root, or else the nearest folder above with a named
 * package.json; null where there is none. Ask early: a folder that is gone is no project any more.
 */
export function projectAbove(paths: Pick<Paths, 'root'>, place: () => string): string | null {
  return attempt(() => {
    const path = place()
    const root = attempt(() => paths.root().path)
    return root !== null && isInside(root, path) ? root : namedAbove(dirname(path))
  })
}

/** True for a path in a folder, and for the folder itself. By their names alone. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** The nearest folder with a named package.json, from a folder upwards. Nameless ones only mark a folder as ESM or CommonJS. */
export function namedAbove(place: string): string | null {
  for (let folder = place; ; folder = dirname(folder)) {
    if (hasName(folder)) return folder
    if (folder === dirname(folder)) return null
  }
}

/** What stands at a path, with all links resolved; null where nothing does. */
export function real(path: string | null | undefined): string | null {
  return path ? attempt(() => realpathSync(path)) : null
}

function ofThisProcess(): Surroundings {
  return { env: process.env, script: process.argv[1], cwd: () => process.cwd() }
}

/** A shell that reads a `.env` with Windows line ends leaves a carriage return at the end of each value. */
function setting(env: Surroundings['env'], option: keyof typeof ENVIRONMENT): string {
  return (env[ENVIRONMENT[option]] ?? '').replace(/\r+$/, '')
}

function under(root: () => Root, path: string): string {
  return isAbsolute(path) ? resolve(path) : resolve(root().path, path)
}

function signalName(database: string): string {
  const name = basename(database)
  if (name === STORE) return 'events.signal'
  const stem = basename(name, extname(name))
  // A store that is itself called "events" must not share the file of the default store.
  return `${stem === 'events' ? 'events-store' : stem}.signal`
}

function findRoot(option: string | null, surroundings: Surroundings): Root {
  const { env, script, cwd } = surroundings
  if (option !== null) return named(option, 'option root', cwd)
  const variable = setting(env, 'root')
  if (isAbsolute(variable)) return named(variable, ENVIRONMENT.root, cwd)
  const project = runningProject(surroundings)
  // It comes from a `.env`, which is copied with its project: what is relative there must mean the copy.
  if (variable && project) {
    const rule = `${ENVIRONMENT.root}=${variable}, seen from ${project.path}: ${project.rule}`
    return { path: named(variable, ENVIRONMENT.root, () => project.path).path, rule }
  }
  if (variable) return named(variable, ENVIRONMENT.root, cwd)
  if (project) return project
  throw new FileSignalError(
    'ROOT_UNKNOWN',
    `no package.json with a name above the script ${show(script)} or the working directory ${show(attempt(cwd))}`,
  )
}

function named(path: string, rule: string, base: () => string): Root {
  try {
    // The working directory may count for what somebody has typed: there is nothing else that it could mean.
    const folder = realpathSync(isAbsolute(path) ? path : resolve(base(), path))
    if (!statSync(folder).isDirectory()) throw new Error('it is no folder')
    accessSync(folder, constants.X_OK)
    return { path: folder, rule }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new FileSignalError('ROOT_UNKNOWN', `${rule} is ${show(path)}, which cannot be used (${why})`, {
      cause,
    })
  }
}

/** Passenger's own object, not IN_PASSENGER: children inherit that, and may run in another folder. */
function ofPanel(env: Surroundings['env'], cwd: () => string): Root | null {
  const lsnode = real(env.LSNODE_ROOT)
  if (lsnode) return { path: lsnode, rule: 'LSNODE_ROOT' }
  const passenger = 'PhusionPassenger' in globalThis ? real(attempt(cwd)) : null
  return passenger ? { path: passenger, rule: 'working directory under Passenger' } : null
}

/**
 * pm2 runs scripts from a container of its own and names the real one in the environment. Children of the
 * script inherit that name, so it comes second.
 */
function ofScript(...scripts: readonly (string | undefined)[]): Root | null {
  for (const script of scripts) {
    const file = realScript(script)
    if (!script || !file || isForeign(resolve(script)) || isForeign(file)) continue
    const path = namedAbove(file)
    if (path) return { path, rule: `package.json above the script ${file}` }
  }
  return null
}

/**
 * A command in X/node_modules works for X; where it was called in another project below X, a workspace whose
 * packages are hoisted to X, for that one. The path as given comes first: linked packages live elsewhere.
 */
function ofModules(script: string | undefined, cwd: () => string): Root | null {
  if (!script) return null
  for (const file of [resolve(script), realScript(script)]) {
    const end = file?.indexOf(NODE_MODULES) ?? -1
    const path = file && end >= 0 ? real(file.slice(0, end) || sep) : null
    if (path && hasName(path)) {
      return workspaceOf(path, cwd) ?? { path, rule: `package.json beside the node_modules of ${file}` }
    }
  }
  return null
}

/** The project of the working directory, where it lies in another one and is not installed there. */
function workspaceOf(top: string, cwd: () => string): Root | null {
  const folder = real(attempt(cwd))
  if (!folder || !isInside(top, folder) || `${folder}${sep}`.includes(NODE_MODULES, top.length)) return null
  const path = namedAbove(folder)
  return path && path !== top ? { path, rule: `package.json above the working directory ${folder}` } : null
}

function ofWorkingFolder(env: Surroundings['env'], cwd: () => string): Root | null {
  const folder = real(attempt(cwd))
  if (!folder) return null
  if (env.IN_PASSENGER === '1') return { path: folder, rule: 'working directory under Passenger' }
  const path = namedAbove(folder)
  return path ? { path, rule: `package.json above the working directory ${folder}` } : null
}

function isForeign(file: string): boolean {
  return file.includes(NODE_MODULES) || LOADERS.includes(basename(file))
}

/** `node server` and `node .` give no file name: then the folder will do, as long as there is one. */
function realScript(script: string | undefined): string | null {
  if (!script) return null
  const folder = real(dirname(resolve(script)))
  return real(resolve(script)) ?? (folder && join(folder, basename(script)))
}

function hasName(folder: string): boolean {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    if (typeof parsed !== 'object' || parsed === null || !('name' in parsed)) return false
    return typeof parsed.name === 'string' && parsed.name !== ''
  } catch {
    return false
  }
}

function once<T>(work: () => T): () => T {
  let known: { value: T } | null = null
  return () => {
    known ??= { value: work() }
    return known.value
  }
}

function show(path: string | null | undefined): string {
  return path ? `"${path}"` : '(none)'
}
