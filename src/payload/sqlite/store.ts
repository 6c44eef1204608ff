import { isAbsolute } from 'node:path'
import { FileSignalError, quote } from '../../errors.js'
import type { Hint } from '../../event.js'
import { refuseUnknown } from '../../option-values.js'
import type { DriverStats, Head, PayloadFactory } from '../engine.js'
import { isAhead, renew } from './connection.js'
import { loadedDriver } from './driver.js'
import { createOpener, type Opened, type Opener } from './opener.js'
import { createPruner, type Pruner } from './prune.js'
import { type AppendQueue, createQueue } from './queue.js'

export interface SqliteOptions {
  /** Absolute path of the store. Default: the instance's `database`. */
  database?: string
}

/**
 * Keeps events in one SQLite file, the default engine: durable, shared by all processes of one machine,
 * and committed before `signal()` returns where the store is free.
 *
 * The on-disk contract for other languages is docs/protocol.md.
 */
export function sqlite(options: SqliteOptions = {}): PayloadFactory {
  refuseUnknown(options, 'sqlite', ['database'])
  const { database } = options
  if (database !== undefined && !isAbsolute(database)) {
    throw new FileSignalError('OPTION_INVALID', `sqlite database is ${quote(database)}`, {
      remedy: 'use an absolute path',
    })
  }
  return (site) => {
    let parts: { opener: Opener; queue: AppendQueue; pruner: Pruner } | null = null
    let closed = false

    /** Paths are resolved at first use, so that creating an instance does no I/O. */
    function use(): NonNullable<typeof parts> {
      if (closed) throw new FileSignalError('CLOSED', 'the store is closed')
      if (parts === null) {
        const opener = createOpener(database ?? site.database(), site)
        parts = { opener, queue: createQueue(opener, site.onCommit), pruner: createPruner(opener) }
      }
      return parts
    }

    return {
      name: 'sqlite',
      commitsOnCall: true,
      shared: true,
      append: (rows) => {
        if (closed) return Promise.reject(new FileSignalError('CLOSED', 'the store is closed'))
        const { queue, pruner } = use()
        const appended = queue.append(rows)
        // A store that refuses rows is told to the caller; the pruner would only say it again.
        appended.then(
          () => pruner.consider(site.report),
          () => {},
        )
        return appended
      },
      head: async () => use().opener.run((opened) => current(opened, site.newestSignal)),
      read: async (request) => {
        const { opener, pruner } = use()
        const found = await opener.run((opened) => {
          const page = opened.rows.page(request)
          // Where something has come, the store has not gone back; and a wake-up should be quick.
          const least = Math.max(request.after.n + 1, opened.known.n)
          const isNews = page.head.epoch === request.after.epoch && page.head.n >= least
          if (isNews || isSame(current(opened, site.newestSignal), page.head)) {
            opened.known = page.head
            return page
          }
          return opened.rows.page(request)
        })
        pruner.consider(site.report)
        return found
      },
      ended: async (keys, n) => use().opener.run((opened) => opened.rows.ended(keys, n)),
      before: async (keys, count) => use().opener.run((opened) => opened.rows.before(keys, count)),
      prune: async (onProgress) => use().pruner.prune(onProgress),
      stats: async () => {
        const { opener } = use()
        return opener.run(({ connection }) => {
          const { events } = connection.tables
          const count = (sql: string) => (connection.prepare(sql).get() as { n: number }).n
          return {
            engine: 'sqlite',
            epoch: connection.epoch(),
            head: connection.head().n,
            rows: count(`SELECT count(*) AS n FROM ${events}`),
            keys: count(`SELECT count(DISTINCT key) AS n FROM ${events}`),
            bytes: connection.bytes(),
            retention: connection.retention(),
            place: opener.path,
            driver: driverStats(),
          }
        })
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
}

function driverStats(): DriverStats {
  const { name, version, reason } = loadedDriver()
  return { name, version, reason }
}

function isSame(a: Head, b: Head): boolean {
  return a.epoch === b.epoch && a.n === b.n
}

/**
 * The head, after making sure that the store was not put back to an earlier state in its own file: then
 * its head is below what this process has seen, or below the newest signal. The hint is read first,
 * since rows are committed before they are signalled.
 */
function current(opened: Opened, newestSignal: () => Hint | null): Head {
  const { connection } = opened
  const hint = newestSignal()
  const isRestored = (head: Head): boolean =>
    (head.epoch === opened.known.epoch && head.n < opened.known.n) || isAhead(connection, hint, head)
  let head = connection.head()
  if (isRestored(head)) {
    head = connection.transaction('BEGIN IMMEDIATE', () => {
      if (isRestored(connection.head())) renew(connection, hint)
      return connection.head()
    })
  }
  opened.known = head
  opened.knownAt = performance.now()
  return head
}
