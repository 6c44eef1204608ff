import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Starts one of the worker scripts in a process of its own.
 *
 * `ask(name, input)` resolves with what the worker's answer of that name returns; `end()` resolves
 * when the process is gone.
 */
export function startWorker(script, ...args) {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = fork(path, args, { execArgv: ['--expose-gc'], serialization: 'advanced' })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  const waiting = new Map()
  let asked = 0
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id)
    waiting.delete(id)
    if (error) reject(new Error(`${script} ${args[0]}: ${error}`))
    else resolve(result)
  })
  gone.then((code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${script} ${args[0]} ended with ${code}`))
  })
  return {
    ask: (name, input) =>
      new Promise((resolve, reject) => {
        asked += 1
        waiting.set(asked, { resolve, reject })
        child.send({ id: asked, name, input })
      }),
    end: () => {
      if (child.connected) child.disconnect()
      return gone
    },
  }
}

/** The worker's side: answers questions one after another, and leaves when nobody is there to ask. */
export function answer(answers, close) {
  let last = Promise.resolve()
  process.on('message', ({ id, name, input }) => {
    last = last
      .then(() => answers[name](input))
      .then(
        (result) => process.send({ id, result }),
        (error) => process.send({ id, error: error.stack }),
      )
  })
  process.on('disconnect', async () => {
    await close()
    process.exit()
  })
}

/** A server and a publisher of one contestant, on a folder of their own. */
export async function startPair(contestant) {
  const folder = mkdtempSync(join(tmpdir(), `file-signal-bench-${contestant}-`))
  const server = startWorker('server.js', contestant, folder)
  const publisher = startWorker('publisher.js', contestant, folder)
  const port = await server.ask('port')
  return {
    folder,
    server,
    publisher,
    port,
    async end() {
      await Promise.all([server.end(), publisher.end()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
