/**
 * The one catalogue of what can go wrong: code → when it is raised, and what to do about it.
 * Codes are stable and safe to test for; messages may change.
 */
export const ERRORS = {
  KEY_INVALID: {
    when: 'a key is empty, too long, not well-formed, or holds a control character',
    remedy: 'use 1 to 200 characters (at most 800 bytes) without control characters',
  },
  EVENT_INVALID: {
    when: 'an event name is empty, too long, reserved, or holds a control character',
    remedy:
      'use 1 to 200 characters without control characters, and none of: open, error, ready, reset, end, hello',
  },
  DEDUPE_INVALID: {
    when: 'a dedupe key is not a string of 1 to 200 characters',
    remedy: 'use 1 to 200 characters without control characters, for example an order number',
  },
  PAYLOAD_INVALID: {
    when: 'JSON would drop or change a payload, or a part of it: undefined, a function, a symbol, a BigInt, a Promise, NaN, a cycle, a Map, a Set, an Error, a RegExp, bytes',
    remedy: 'pass a value that JSON.stringify keeps whole, null where there is nothing to say',
  },
  PAYLOAD_TOO_LARGE: {
    when: 'a payload is larger, as JSON, than payloadLimit',
    remedy: 'send an id and let the browser fetch the rest, or raise payloadLimit (at most 1 MiB)',
  },
  BATCH_INVALID: {
    when: 'signalMany() is given something that is not an array of { key, payload } objects',
    remedy: 'pass an array such as [{ key: "orders", payload: { id: 1 } }]',
  },
  BATCH_TOO_LARGE: {
    when: 'signalMany() is given more than 10,000 entries, or payloads of more than 16 MiB together',
    remedy: 'split it, and await one part before the next; nothing of it was stored',
  },
  OPTION_INVALID: {
    when: 'an option is unknown, or has a value outside its range',
    remedy: 'see "Options" in the README',
  },
  ROOT_UNKNOWN: {
    when: 'no project root can be found, and the paths of the store and the signal file depend on it',
    remedy: 'set FILE_SIGNAL_ROOT to the folder of your package.json, or pass { root }',
  },
  ROOT_GONE: {
    when: 'the project folder was removed or moved under a living process, as by a deploy that cleans up old releases; nothing is made in its place',
    remedy: 'restart this process where the project is now, and signal again from there',
  },
  PATH_UNSAFE: {
    when: 'the signal directory, the signal file, a file of the store or one that init would change is a symbolic link or not a regular file',
    remedy: 'remove what stands there, or point FILE_SIGNAL_DIR or FILE_SIGNAL_DATABASE elsewhere',
  },
  SQLITE_MISSING: {
    when: 'no SQLite driver can be loaded safely in this Node',
    remedy: 'run: npm install better-sqlite3@12, or update Node to 22.13 or later, which has SQLite built in',
  },
  STORE_BUSY: {
    when: 'another process held the store’s write lock for longer than the deadline of 10 s, or calls of 16 MiB waited for it already',
    remedy: 'end the program that keeps a transaction open on the store; nothing was stored, so signal again',
  },
  STORE_FULL: {
    when: 'the disk or the quota under the store is full',
    remedy: 'free some space, or lower retention; nothing was stored, so signal again afterwards',
  },
  STORE_TOO_LARGE: {
    when: 'the store or its -wal takes more of the disk than retention allows, and pruning cannot change that (reported once, not thrown)',
    remedy:
      'end the program that keeps a transaction open on the store: a forgotten shell, a stopped process, a backup that hangs',
  },
  STORE_LIMITS: {
    when: 'a limit of this process or machine is reached: open files, file size, memory; the message names it',
    remedy: 'raise the limit that the message names; nothing was stored, so signal again afterwards',
  },
  STORE_UNWRITABLE: {
    when: 'this user may not open or write the store or its folder, or they are on a read-only mount or missing; the message says which',
    remedy:
      'give both users one group and pass { mode: 0o660, group }, or run both programs as the same user',
  },
  STORE_FOREIGN: {
    when: 'the file at the store’s path is not a SQLite database, or belongs to another program; it is left untouched',
    remedy: 'point FILE_SIGNAL_DATABASE at a path of its own',
  },
  STORE_NEWER: {
    when: 'the store was written by a newer version of file-signal; it is left untouched',
    remedy: 'update file-signal in every process that uses this store',
  },
  STORE_DAMAGED: {
    when: 'SQLite found the store damaged; it was set aside and a new one begun (reported, not thrown)',
    remedy: 'look at the disk; the damaged file stands beside the new one, its readers get one reset',
  },
  STORE_SPLIT: {
    when: 'the store’s -wal or -shm file was deleted or replaced while it was open, by a cleaner, a sync or backup tool or another SQLite (reported, not thrown)',
    remedy:
      'find what touches the files beside the store, and see docs/backup.md; what could be saved was put back, and where something is missing browsers got one reset',
  },
  STORE_RESTORED: {
    when: 'the store was replaced, emptied, or put back to an older state (reported, not thrown)',
    remedy:
      'nothing, if it was you; otherwise look who touches the store and the files beside it: browsers got one reset',
  },
  STORE_UNCERTAIN: {
    when: 'an event was committed, but its file was moved away or could not be looked at, and it could not be stored again',
    remedy:
      'the event is stored or not: signal again with the same { dedupe } where it must not be there twice',
  },
  STORE_NETWORK: {
    when: 'the store is on a network disk, or on one without shared memory (WSL’s /mnt/c, 9p, vboxsf, Docker on Windows), where SQLite is slow and locks are weak: it is kept with a rollback journal (reported, not thrown)',
    remedy: 'move FILE_SIGNAL_DATABASE to a local disk, or use Postgres or Redis',
  },
  STORE_FAILED: {
    when: 'the payload engine failed in another way; the cause is attached',
    remedy: 'read the cause; the event was not stored',
  },
  STORE_LOCKED: {
    when: 'the lock folder beside the store, STORE.lock, has been held for an hour while pruning was due, or was left behind and this user may not remove it',
    remedy: 'end the program that holds it; if none does, remove the folder as its owner',
  },
  CLOCK_WRONG: {
    when: 'the machine’s clock is not set, or an event is stored with a time in the future (reported, not thrown)',
    remedy:
      'let the machine set its clock (NTP), and let writers store milliseconds; events are kept and delivered all the same, their age is judged by their neighbours',
  },
  TRANSACTION_OPEN: {
    when: 'something is published, or transaction() called, while the application has a transaction open on the database that it handed over',
    remedy:
      'make events.transaction() the outermost: begin with it, and publish inside it or after the commit',
  },
  TRANSACTION_ASYNC: {
    when: 'the function given to transaction() is async or returns a promise; nothing is stored',
    remedy: 'await before and afterwards, and keep the function itself synchronous',
  },
  TRANSACTION_ENDED: {
    when: 'the function given to transaction(), or a statement in it, ended the transaction: by COMMIT, ROLLBACK, or a conflict clause that rolls back',
    remedy:
      'leave COMMIT and ROLLBACK to transaction(); what came before a COMMIT is stored, events too, what came before a ROLLBACK is not',
  },
  TRANSACTION_ROLLED_BACK: {
    when: 'an event was published inside a transaction that was rolled back; it is not stored',
    remedy: 'see how the transaction itself was rejected, and run it again',
  },
  TRANSACTION_UNSUPPORTED: {
    when: 'transaction() is called on a payload engine that has no transactions',
    remedy: 'use sqlite({ database }) with the database of the application',
  },
  SIGNAL_FAILED: {
    when: 'an event is stored but its wake-up could not be written (reported once, not thrown)',
    remedy: 'make the signal file writable for this user; until then readers find events by polling',
  },
  WATCH_FAILED: {
    when: 'file watching is absent, spent or silent here, so mtimes are polled instead (reported once, not thrown)',
    remedy: 'raise fs.inotify.max_user_instances and max_user_watches, or leave it: polling loses nothing',
  },
  STREAM_FAILED: {
    when: 'something given to a stream threw, or the store could not be read for it (reported, not thrown)',
    remedy: 'read the cause; the message says what became of the stream',
  },
  SOURCE_FAILED: {
    when: 'a source given to streamFrom() threw, or gave what cannot be sent (reported, not thrown)',
    remedy:
      'read the cause; a callback is asked again at its next turn, an iterable that threw has ended for its clients',
  },
  SOURCE_TIMEOUT: {
    when: 'a callback given to streamFrom() took longer than its timeout (reported, not thrown)',
    remedy: 'let it obey its signal, or raise timeout; it is asked again once it has answered',
  },
  SOURCE_USED: {
    when: 'an iterator given to streamFrom() can be read once, and a second client came (reported once, not thrown)',
    remedy: 'pass a function that makes one for each client, or share: true',
  },
  HOOK_FAILED: {
    when: 'a callback of the application (beforeSend, onLoop, onError, onProgress, onCheck) threw or rejected, or beforeSend gave what cannot be sent (reported, not thrown)',
    remedy:
      'read the cause; what called it goes on: a stream without this event if it was beforeSend (a mailbox tries it again when its claim is over)',
  },
  HOOK_TIMEOUT: {
    when: 'beforeSend or onLoop took longer than hookTimeout (reported, not thrown)',
    remedy:
      'make it quicker, let it obey its signal, or raise hookTimeout; the stream goes on: without this event if it was beforeSend, and with no call of onLoop until this one has returned',
  },
  CURSOR_LOST: {
    when: 'subscribe() cannot continue after its cursor: events of its keys were pruned, or the store was replaced',
    remedy: 'read the current state again, and subscribe without { after }',
  },
  WRITER_TAKEN: {
    when: 'writer() is given a key that somebody is writing to, whose lease is not over',
    remedy: 'wait until that writer has ended, or write to another key',
  },
  WRITER_LOST: {
    when: 'a writer’s lease is gone: its key was ended elsewhere, or its process stood still for longer than the lease and its readers were told',
    remedy:
      'what was written up to there is stored; open a new writer, with a longer lease where pauses are long',
  },
  WRITER_USED: {
    when: 'from() is called on a writer that something else writes to, or that has ended',
    remedy: 'open a writer of its own for each source: events.writer(key)',
  },
  WRITER_UNSUPPORTED: {
    when: 'writer() is called on a payload engine that has no leases',
    remedy: 'use an engine that has them, such as sqlite() or memory()',
  },
  ENDED_EARLY: {
    when: 'subscribe() has come to the end of a key that ended otherwise than well; the reason is in the message and in `reason`',
    remedy: 'what came before is whole up to there; start again what wrote it, or show that it broke off',
  },
  LIBRARY_MISSING: {
    when: 'an optional library is needed and not installed',
    remedy: 'install the package that the message names',
  },
  SETUP_FAILED: {
    when: 'init or uninstall cannot read or change a file or a folder',
    remedy: 'do what the message says, and run the command again: it goes on where it stopped',
  },
  COPIES_DIFFER: {
    when: 'two versions of file-signal are loaded in one process, and what they share has changed between them',
    remedy:
      'install one version for all: npm ls file-signal shows who wants which, npm dedupe brings them together',
  },
  CLOSED: {
    when: 'an instance is used after close()',
    remedy: 'create a new one with createFileSignal()',
  },
} as const satisfies Record<string, { when: string; remedy: string }>

export type ErrorCode = keyof typeof ERRORS

/** By this all copies of this package know each other's errors. */
const BRAND = Symbol.for('file-signal.FileSignalError')

/**
 * Every error that file-signal raises or reports; `instanceof` also knows those of another copy in the same process.
 *
 * `message` reads `CODE: what happened; what to do.`, `remedy` holds the second half alone,
 * `cause` the error underneath, if there is one, and `reason`, of ENDED_EARLY, the reason as it was given.
 */
export class FileSignalError extends Error {
  override readonly name = 'FileSignalError'
  readonly code: ErrorCode
  readonly remedy: string
  declare readonly reason?: string

  constructor(
    code: ErrorCode,
    what: string,
    options: { cause?: unknown; remedy?: string; reason?: string } = {},
  ) {
    const remedy = options.remedy ?? ERRORS[code].remedy
    super(`${code}: ${what}; ${remedy}.`, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.remedy = remedy
    if (options.reason !== undefined) this.reason = options.reason
  }
}

Object.defineProperty(FileSignalError.prototype, BRAND, { value: true })
Object.defineProperty(FileSignalError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    // What somebody derives from this class knows its own alone.
    if (this !== FileSignalError) return Function.prototype[Symbol.hasInstance].call(this as never, value)
    return typeof value === 'object' && value !== null && BRAND in value
  },
})

/** Shows a value in a message: quoted, on one line, cut at `longest` characters. */
export function quote(value: unknown, longest = 60): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : describe(value)
  return text.length > longest ? `${text.slice(0, longest - 3)}...` : text
}

/** Shows a path in a message, whole: it is to be found. */
export function quotePath(path: string): string {
  return quote(path, 1000)
}

/** The `code` of a system or SQLite error, or '' where there is none. Never throws. */
export function codeOf(error: unknown): string {
  try {
    if (typeof error !== 'object' || error === null || !('code' in error)) return ''
    return typeof error.code === 'string' ? error.code : ''
  } catch {
    return ''
  }
}

/**
 * The message of what was thrown, or what it is, where that is no Error. Never throws: anything can be thrown, also an
 * object that has no text, or a proxy that throws at each touch.
 */
export function messageOf(error: unknown): string {
  try {
    if (error instanceof Error && typeof error.message === 'string') return error.message
  } catch {
    return 'something that cannot be looked at'
  }
  return typeof error === 'string' ? error : quote(error)
}

function describe(value: unknown): string {
  try {
    if (value instanceof Promise) return 'a Promise (forgotten await?)'
    return typeof value === 'object' ? (JSON.stringify(value) ?? String(value)) : String(value)
  } catch {
    return tagOf(value)
  }
}

function tagOf(value: unknown): string {
  try {
    return Object.prototype.toString.call(value)
  } catch {
    return 'something that cannot be looked at'
  }
}
