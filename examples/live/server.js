// A page that watches a long job, and a web server that is restarted under it: node examples/live/server.js [FOLDER]
// This is the part that stays. It runs the web process, and runs it again when it has ended, as a panel or systemd
// does; and it runs the jobs, as cron or a queue does. It only publishes: streams are the web process' business.
import { fork, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { signal } from 'file-signal'

const HERE = import.meta.dirname
/** An app of some size takes a while to load, in ms; this one would be back before anybody has noticed. */
const LOADING = 1500
// What is worked on is decided here, never by a request.
const FOLDER = resolve(process.argv[2] ?? join(HERE, '../../node_modules'))

if (!statSync(FOLDER, { throwIfNoEntry: false })?.isDirectory()) {
  console.error(`${FOLDER} is not a folder`)
  process.exit(2)
}

/** Pages come back to the address that they know, so the first port is that of all web processes. */
let port = Number(process.env.PORT || 3000)
let web = null
let loading = null
let job = null
let isStopping = false

startWeb()
web.once('message', () => console.log(`Open http://127.0.0.1:${port} (it works on ${FOLDER})`))
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, stop)

function startWeb() {
  let isUp = false
  web = fork(join(HERE, 'web.js'), [FOLDER], { env: { ...process.env, PORT: String(port) } })
  web.on('message', (told) => {
    isUp = true
    hear(told)
  })
  web.once('exit', () => {
    web = null
    if (isStopping) return
    // What cannot even start has said why, and is not tried again.
    if (isUp) loading = setTimeout(startWeb, LOADING)
    else process.exitCode = 1
  })
}

/** What the web process says first, and what it wants later. */
function hear({ listening, start, restart }) {
  if (listening) {
    port = listening
    tellWeb()
  }
  if (start && job === null) startJob()
  if (restart) web?.kill(restart === 'kill' ? 'SIGKILL' : 'SIGTERM')
}

function tellWeb() {
  if (web?.connected) web.send({ isBusy: job !== null })
}

/** A job is a process: it neither slows another down nor ends with it. */
function startJob() {
  const id = randomUUID()
  job = spawn(process.execPath, [join(HERE, 'job.js'), FOLDER, id], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  job.unref()
  job.once('error', (error) => jobEnded(id, error.message))
  job.once('exit', (code, name) => jobEnded(id, code === 0 ? null : `it ended with ${name ?? code}`))
  tellWeb()
}

/** A job that was killed cannot say so itself. */
async function jobEnded(id, reason) {
  job = null
  tellWeb()
  if (reason === null) return
  await signal('jobs', { job: id, at: Date.now(), reason }, { event: 'failed' }).catch(console.error)
}

function stop() {
  isStopping = true
  clearTimeout(loading)
  web?.kill('SIGTERM')
}
