import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Order, Word } from './children/orders.js'
import { type Entry, now } from './record.js'
import type { World } from './world.js'

/** A web process or a publisher over its lives. */
export interface Member {
  readonly name: string
  readonly port: number | null
  /** Of its present life, once that is up; undefined where it has none. */
  readonly pid: number | undefined
  /** Begins a life where it has none, and waits until it is up; `prefix` is a command that runs the one behind it. */
  start(prefix?: readonly string[]): Promise<void>
  /** Ends its life: SIGKILL, or SIGTERM and then a wait. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  signal(signal: NodeJS.Signals): void
  order(order: Order): void
  /** The next word of that type; null where none comes in time, or it dies. */
  next(type: Word['type'], ms: number): Promise<Word | null>
}

export interface MemberSite {
  name: string
  world: World
  seed: number
  keys: readonly string[]
  pace: number
  port: number | null
  log: (entry: Entry) => void
}

const MEMBER = fileURLToPath(new URL('children/member.js', import.meta.url))

export function createMember({ name, world, seed, keys, pace, port, log }: MemberSite): Member {
  let child: ChildProcess | null = null
  let life = 0
  let isUp = false
  let turn = Promise.resolve()

  async function next(type: Word['type'], ms: number): Promise<Word | null> {
    const current = child
    if (!current) return null
    return new Promise((resolve) => {
      const done = (word: Word | null) => {
        clearTimeout(timer)
        current.off('message', onWord).off('exit', onExit)
        resolve(word)
      }
      const onWord = (word: Word) => {
        if (word.type === type) done(word)
      }
      const onExit = () => done(null)
      const timer = setTimeout(onExit, ms)
      current.on('message', onWord).once('exit', onExit)
    })
  }

  function hear(word: Word): void {
    if (word.type === 'acked' || word.type === 'rejected' || word.type === 'report')
      log({ ...word, by: name })
  }

  async function begin(prefix: readonly string[]): Promise<void> {
    if (child) return
    life += 1
    isUp = false
    const setup = JSON.stringify({ root: world.root, name, life, seed, keys, pace, port })
    const [command = '', ...words] = [...prefix, process.execPath, MEMBER, setup]
    const born = spawn(command, words, {
      ...world.user,
      cwd: world.root,
      env: { ...process.env, HOME: world.root, NODE_NO_WARNINGS: '1' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    child = born
    let stderr = ''
    born.stderr?.on('data', (data) => (stderr += data))
    born.on('message', hear)
    born.on('error', () => {})
    born.once('exit', (code, signal) => {
      if (child === born) child = null
      // Nobody asked for it: a host program has to survive all of this.
      if (signal !== 'SIGKILL' && code !== 0) {
        log({
          type: 'unhealed',
          t: now(),
          who: name,
          what: `died by itself (${signal ?? code}): ${stderr.slice(-500)}`,
        })
      }
    })
    isUp = (await next('ready', 20_000)) !== null
  }

  async function finish(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const dying = child
    if (!dying) return
    const gone = once(dying, 'exit')
    child = null
    dying.kill(signal)
    const timer = setTimeout(() => dying.kill('SIGKILL'), 15_000)
    await gone
    clearTimeout(timer)
    // What it said last is still in the channel.
    await pause(20)
  }

  /** Lives do not overlap, whoever asks for them. */
  function inTurn(act: () => Promise<void>): Promise<void> {
    turn = turn.then(act, act)
    return turn
  }

  return {
    name,
    port,
    get pid() {
      return isUp ? child?.pid : undefined
    },
    start: (prefix = []) => inTurn(() => begin(prefix)),
    end: (signal) => inTurn(() => finish(signal)),
    signal: (signal) => void child?.kill(signal),
    order: (order) => {
      if (child?.connected) child.send(order, () => {})
    },
    next,
  }
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
