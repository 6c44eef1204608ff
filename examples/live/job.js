// Fingerprints every file under a folder and tells what it finds: node job.js FOLDER ID
// It runs by itself: nobody waits for it, and whoever wants to know listens to the key "jobs".
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { signal } from 'file-signal'

const AT_ONCE = 4
/** Nobody reads faster than this, in ms. */
const PROGRESS_EVERY = 100
/** Copies of empty files and one-line licences would drown the others. */
const SMALLEST_FINDING = 1024

const [, , folder, job] = process.argv
const started = Date.now()
const done = { files: 0, bytes: 0, copies: 0, wasted: 0, unreadable: 0 }
let total = 0
let lastProgress = 0
let number = 0

await say('started', { folder, pid: process.pid })
const files = await listFiles()
await fingerprintAll()
await say('finished', {
  ...done,
  total,
  milliseconds: Date.now() - started,
  largest: files.toSorted((a, b) => b.bytes - a.bytes).slice(0, 3),
})

async function listFiles() {
  const found = []
  for await (const path of walk(folder)) {
    const stats = await lstat(path).catch(() => null)
    found.push({ path: relative(folder, path), bytes: stats?.size ?? 0 })
    total = found.length
    await progress()
  }
  return found
}

/** The paths of all files, in the order of their names; links are not followed. */
async function* walk(place) {
  const entries = await readdir(place, { withFileTypes: true }).catch(() => [])
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(place, entry.name)
    if (entry.isDirectory()) yield* walk(path)
    else if (entry.isFile()) yield path
  }
}

async function fingerprintAll() {
  const firstWith = new Map()
  const queue = files.values()
  const work = async () => {
    for (const file of queue) {
      const fingerprint = await fingerprintOf(file)
      if (fingerprint === null) done.unreadable += 1
      else await compare(file, fingerprint, firstWith)
      done.files += 1
      await progress()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

/** SHA-256 of the content, or null for a file that cannot be read (any more). */
async function fingerprintOf({ path }) {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(join(folder, path))) {
      hash.update(chunk)
      done.bytes += chunk.length
      await progress()
    }
  } catch {
    return null
  }
  return hash.digest('hex')
}

async function compare({ path, bytes }, fingerprint, firstWith) {
  const original = firstWith.get(fingerprint)
  firstWith.set(fingerprint, original ?? path)
  if (original === undefined || bytes < SMALLEST_FINDING) return
  done.copies += 1
  done.wasted += bytes
  await say('finding', { path, original, bytes, fingerprint: fingerprint.slice(0, 12) })
}

async function progress() {
  if (Date.now() - lastProgress < PROGRESS_EVERY) return
  lastProgress = Date.now()
  await say('progress', { done: done.files, total, bytes: done.bytes })
}

/** Its events are numbered, so that whoever hears them can tell whether one is missing. */
function say(event, facts) {
  number += 1
  return signal('jobs', { job, number, at: Date.now(), ...facts }, { event })
}
