import { isAbsolute } from 'node:path'
import { FileSignalError, quote } from '../../errors.js'
import { refuseUnknown } from '../../option-values.js'
import { appendCollected } from '../collect.js'
import type { Appended, DriverStats, NewRow, PayloadFactory, PayloadSite } from '../engine.js'
import { createCounter } from './counts.js'
import { loadedDriver } from './driver.js'
import { current, readPage } from './history.js'
import { type Host, hostOf, type SqliteHandle } from './host.js'
import { createHostTransactions } from './host-transaction.js'
import { createJournal } from './journal.js'
import { createLeases } from './leases.js'
import { createMailbox, LEASE } from './mailbox.js'
import { createOpener, type Opener } from './opener.js'
import { createPruner, type Pruner } from './prune.js'
import { type AppendQueue, createQueue, type QueueSite } from './queue.js'

export interface SqliteOptions {
  /**
   * Absolute path of the store; or the application's own open database (better-sqlite3's, or `DatabaseSync` of
   * node:sqlite), beside whose tables ours then stand, so that `transaction()` covers both. Default: the
   * instance's `database`.
   */
  database?: string | SqliteHandle
}

/**
 * Keeps events in one SQLite file, the default engine: durable, shared by all processes of one machine,
 * and committed before `signal()` returns where the store is free.
 *
 * Throws OPTION_INVALID for a path that is not absolute, and for a database that cannot be used.
 * The on-disk contract for other languages is docs/protocol.md. `timing` is for tests.
 */
export function sqlite(options: SqliteOptions = {}, timing: { lease?: number } = {}): PayloadFactory {
  refuseUnknown(options, 'sqlite', ['database'])
  const { host, path } = placeOf(options.database)
  const create: PayloadFactory = (site) => {
    const count = createCounter(() => use().opener)
    let parts: { opener: Opener; queue: AppendQueue; pruner: Pruner } | null = null
    let closed = false

    /** Paths are resolved at first use, so that creating an instance does no I/O. */
    function use(): NonNullable<typeof parts> {
      if (closed) throw new FileSignalError('CLOSED', 'the store is closed')
      if (parts === null) {
        const opener = createOpener(path ?? site.database(), site, host)
        const { onCommit, newestSignal } = site
        const queue = createQueue({ opener, onCommit, newestSignal, transact: transact(host, site) })
        parts = { opener, queue, pruner: createPruner(opener, site) }
      }
      return parts
    }

    function append(rows: readonly NewRow[]): Promise<Appended> {
      if (closed) return Promise.reject(new FileSignalError('CLOSED', 'the store is closed'))
      // What a writer says is no part of it, and waits as for another process's lock: refused, the writer would be dead.
      if (host?.isInTransaction() && !rows.every(({ lease }) => lease)) return Promise.reject(open())
      const { queue, pruner } = use()
      const appended = queue.append(rows)
      // A store that refuses rows is told to the caller; the pruner would only say it again.
      appended.then(
        () => pruner.consider(site),
        () => {},
      )
      return appended
    }

    return {
      name: 'sqlite',
      commitsOnCall: true,
      shared: true,
      mailbox: createMailbox(() => use().opener, timing.lease ?? LEASE),
      append,
      transaction: async (work) => {
        const { queue, pruner } = use()
        if (host === null) return appendCollected(append, work)
        if (host.isInTransaction()) throw open()
        const transacted = await queue.transaction(work)
        pruner.consider(site)
        return transacted
      },
      head: async () => use().opener.run((opened) => current(opened, site.newestSignal)),
      read: async (request) => {
        const { opener, pruner } = use()
        const found = await opener.run((opened) => readPage(opened, request, site.newestSignal))
        pruner.consider(site)
        return found
      },
      ended: async (keys, n) => use().opener.run((opened) => opened.rows.ended(keys, n)),
      before: async (keys, count) => use().opener.run((opened) => opened.rows.before(keys, count)),
      leases: createLeases(() => use().opener),
      journal: createJournal(() => use().opener),
      prune: async (onProgress) => use().pruner.prune(onProgress),
      stats: async () => {
        const counts = await count()
        const { opener } = use()
        return opener.run(({ connection }) => ({
          engine: 'sqlite',
          epoch: connection.epoch(),
          head: connection.head().n,
          ...counts,
          retention: connection.retention(),
          place: opener.path,
          driver: host?.driver ?? driverStats(),
        }))
      },
      close: async () => {
        closed = true
        if (parts === null) return
        const { opener, queue, pruner } = parts
        parts = null
        await queue.drained()
        await pruner.stop()
        opener.close()
      },
    }
  }
  return path === null ? create : Object.assign(create, { database: path })
}

function placeOf(database: SqliteOptions['database']): { host: Host | null; path: string | null } {
  if (database === undefined) return { host: null, path: null }
  if (typeof database !== 'string') {
    const host = hostOf(database)
    return { host, path: host.path }
  }
  if (isAbsolute(database)) return { host: null, path: database }
  throw new FileSignalError('OPTION_INVALID', `sqlite database is ${quote(database)}`, {
    remedy: 'use an absolute path',
  })
}

/** Only an application that handed over its database has transactions there. */
function transact(host: Host | null, { newestSignal, onCommit }: PayloadSite): QueueSite['transact'] {
  if (host !== null) return createHostTransactions({ host, newestSignal, onCommit }).run
  return () => {
    throw new FileSignalError('TRANSACTION_UNSUPPORTED', 'this store has no database of the application’s')
  }
}

function open(): FileSignalError {
  return new FileSignalError('TRANSACTION_OPEN', 'the application has a transaction open on its database')
}

function driverStats(): DriverStats {
  const { name, version, reason } = loadedDriver()
  return { name, version, reason }
}
