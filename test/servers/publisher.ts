import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { until } from '../support/wait.js'
import { checkout } from './checkout.js'
import { USER } from './user.js'

export interface Order {
  readonly root: string
  readonly key: string
  /** Milliseconds between two events, on and on; one event where it is left out. */
  readonly gap?: number
  readonly stop?: boolean
}

/** A process of its own that publishes events { i, at } in any project, i from 0 for each key. */
export interface Publisher {
  /** Publishes one event; resolves once it is stored. */
  once(root: string, key: string): Promise<void>
  /** Publishes every `gap` milliseconds until it is stopped, which resolves with how many events there were. */
  keepOn(root: string, key: string, gap: number): () => Promise<number>
  close(): Promise<void>
}

export function startPublisher(): Publisher {
  const { root, node } = checkout()
  const script = join(root, 'build/servers/publisher-process.js')
  const child = spawn(node, [script], { ...USER, cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const done = new Map<string, number>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { key, published } = JSON.parse(line) as { key: string; published: number }
    done.set(key, published)
  })
  const order = (order: Order) => void child.stdin.write(`${JSON.stringify(order)}\n`)

  async function finished(key: string): Promise<number> {
    await until(() => done.has(key), `the publisher to be done with ${key}`)
    const published = done.get(key) ?? 0
    done.delete(key)
    return published
  }

  return {
    async once(root, key) {
      order({ root, key })
      await finished(key)
    },
    keepOn(root, key, gap) {
      order({ root, key, gap })
      return () => {
        order({ root, key, stop: true })
        return finished(key)
      }
    },
    async close() {
      child.stdin.end()
      child.kill('SIGKILL')
      await ended
    },
  }
}
