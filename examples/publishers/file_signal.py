#!/usr/bin/env python3
"""Publishes events for file-signal from Python 3.6 or later. Copy this one file.

    import file_signal
    file_signal.signal('orders', {'id': 7, 'total': 12.5})

    python3 file_signal.py orders '{"id":7}' --event created --root /home/me/app

The root is the folder of the Node app's package.json: the argument, or FILE_SIGNAL_ROOT. The store must exist;
file-signal makes it. What happens here and why: docs/protocol.md.
"""

import argparse
import json
import os
import random
import re
import sqlite3
import stat
import sys
import warnings
from urllib.parse import quote

APPLICATION_ID = 0x46536967
RESERVED = ('open', 'error', 'ready', 'reset', 'end', 'hello')
HINT = re.compile(br'[ \t]*(?:([0-9a-z]{4,32})-(0|[1-9][0-9]{0,15})|([0-9]{1,16}))(?![^\s\0])')
# Numbers that are skipped where some may have been given out unseen.
GAP = 1000000
# A bare number that is further ahead is no row number, but a time stamp or the like.
FURTHEST_BARE_HINT = 1000000000
FURTHEST = 9007199254740991 - 1000 * GAP
# Characters of an epoch that a store keeps for life: they tell its epochs from another store's.
FAMILY = 4
MOST_STRANGERS = 8
MEND = 'let file-signal make them again, in the folder of the Node app: npx file-signal stats; nothing was stored'
CLEAR = 'let file-signal clear it, in the folder of the Node app: npx file-signal stats; nothing was stored'
POINT_ELSEWHERE = "point FILE_SIGNAL_ROOT or FILE_SIGNAL_DATABASE at the Node app's"
# How often an event is stored anew where the store's files were replaced meanwhile.
TRIES = 3
BAD_INPUT = ('KEY_INVALID', 'EVENT_INVALID', 'DEDUPE_INVALID', 'PAYLOAD_INVALID', 'PAYLOAD_TOO_LARGE')


class FileSignalError(Exception):
    """`code` is a word such as STORE_BUSY, and begins the message."""

    def __init__(self, code, what, remedy):
        super().__init__('{}: {}; {}.'.format(code, what, remedy))
        self.code = code


def signal(key, payload=None, event=None, dedupe=None, root=None, wait=5.0):
    """Stores one event and wakes those who wait for it. Returns its id, <epoch>-<n>.

    `payload` is anything that JSON can hold, `event` its SSE event name; `dedupe` stores one event however often
    this is called; `wait` is how many seconds to wait for a busy store. Raises FileSignalError; nothing is stored
    then, but for the code STORE_UNCERTAIN.
    """
    try:
        text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(',', ':'))
        size = len(text.encode('utf-8'))
    except (TypeError, ValueError, RecursionError) as error:
        raise FileSignalError('PAYLOAD_INVALID', 'the payload has no JSON form ({})'.format(error),
                              'pass what json.dumps keeps whole') from error
    if size > 1048576:
        raise FileSignalError('PAYLOAD_TOO_LARGE', 'the payload is {} bytes as JSON, the limit is 1048576'.format(size),
                              'send an id and let the browser fetch the rest')
    check_name('KEY_INVALID', 'key', key)
    if event is not None:
        check_name('EVENT_INVALID', 'event name', event)
        if event in RESERVED:
            raise FileSignalError('EVENT_INVALID', 'event name "{}" is reserved'.format(event), 'use another')
    if dedupe is not None:
        check_name('DEDUPE_INVALID', 'dedupe key', dedupe)
    store, file = paths(root)
    number, stored = insert(store, file, (key, event, text), dedupe, wait)
    if stored:
        try:
            wake(file, store, number)
        except OSError as error:
            # The event is stored, and readers find it by themselves a moment later: no reason to fail.
            warnings.warn('SIGNAL_FAILED: "{}" cannot be written ({}); make it a regular file that this user '
                          'may write.'.format(file, error.strerror))
    return number


def check_name(code, what, name):
    if isinstance(name, str) and 1 <= len(name) <= 200:
        if not any(c < ' ' or '\x7f' <= c <= '\x9f' or '\ud800' <= c <= '\udfff' for c in name):
            return
    shown = ascii(name)
    shown = shown if len(shown) <= 60 else shown[:60] + '...'
    raise FileSignalError(code, '{} {} is not allowed'.format(what, shown),
                          'use 1 to 200 characters without control characters')


def paths(root):
    """The store and its signal file. Nothing depends on the working directory: cron starts in $HOME."""
    root = root or setting('FILE_SIGNAL_ROOT')
    database = setting('FILE_SIGNAL_DATABASE') or 'data/sse_payloads.sqlite'
    directory = setting('FILE_SIGNAL_DIR') or 'tmp/sse_signals'
    if not (os.path.isabs(database) and os.path.isabs(directory)):
        if not os.path.isdir(root):
            raise FileSignalError('ROOT_UNKNOWN', 'the root is "{}", which is no folder'.format(root),
                                  "set FILE_SIGNAL_ROOT to the folder of the Node app's package.json")
        root = os.path.realpath(root)
    name = os.path.basename(database)
    stem = 'events' if name == 'sse_payloads.sqlite' else os.path.splitext(name)[0]
    if stem == 'events' and name != 'sse_payloads.sqlite':
        stem = 'events-store'
    return os.path.join(root, database), os.path.join(root, directory, stem + '.signal')


def setting(name):
    """A shell that reads a .env with Windows line ends leaves a carriage return at the end of each value."""
    return os.environ.get(name, '').rstrip('\r')


def insert(store, file, row, dedupe, wait):
    """Returns the event's id, and whether it was stored just now.

    Somebody may delete or replace the files while this waits for the lock. SQLite commits to them without an error
    then, and nobody else reads them: all is done anew.
    """
    adrift = []
    for _ in range(TRIES):
        try:
            result, committed = attempt(store, file, row, dedupe, wait, adrift)
        except FileSignalError as error:
            if adrift:
                raise uncertain(store) from error
            raise
        if result is not None:
            return result
        if committed is not None:
            adrift.append(committed)
    if adrift:
        raise uncertain(store)
    raise FileSignalError('STORE_FAILED', '"{}": its files were replaced again and again'.format(store),
                          'find what touches them; nothing was stored, so signal again')


def attempt(store, file, row, dedupe, wait, adrift):
    """Returns id and whether it was stored just now, or None where the files are others than those that were open;
    and number and time of the row that was committed to them. `adrift` has those of earlier attempts."""
    check_files(store)
    db, files, committed = None, None, None
    try:
        main = identity(store)
        db = sqlite3.connect('file:{}?mode=rw'.format(quote(store)), uri=True, timeout=wait, isolation_level=None)
        mode = db.execute('PRAGMA journal_mode').fetchone()[0]
        # What was read has opened them all. SQLite itself replaces none while a connection is open.
        files = identities(store)
        if files[0] != main or (mode == 'wal' and None in files):
            return None, None
        boot = boot_id()
        if boot is not None and mode == 'wal':
            db.execute('PRAGMA synchronous = NORMAL')
        db.execute('BEGIN IMMEDIATE')
        if identities(store) != files:
            return None, None
        check_store(db, store)
        skip_numbers(db, boot)
        epoch = continued_epoch(db, store, file)
        n, stored = find_adrift(db, store, row, adrift), True
        if n is None:
            n, stored = insert_row(db, row, dedupe)
        if stored:
            committed = n, db.execute('SELECT created_at FROM events WHERE id = ?', (n,)).fetchone()[0]
        db.execute('COMMIT')
        if identities(store) != files:
            return None, committed
        return ('{}-{}'.format(epoch, n), stored or bool(adrift)), None
    except sqlite3.Error as error:
        if files is not None and identities(store) != files:
            return None, committed
        raise fault(error, store) from error
    finally:
        # Where side files were deleted and no other process has the store open, SQLite copies from what it has open
        # into the store: what others committed meanwhile may be lost with it.
        if db is not None:
            db.close()


def identities(store):
    """Looked at, never opened: closing a descriptor of a file drops SQLite's locks on it."""
    return [identity(store + suffix) for suffix in ('', '-wal', '-shm')]


def identity(path):
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def find_adrift(db, store, row, adrift):
    """Number of a row that an earlier attempt has committed, where it is in the store after all."""
    for n, created_at in adrift:
        if db.execute('SELECT 1 FROM events WHERE id = ? AND key = ? AND payload = ? AND created_at = ?',
                      (n, row[0], row[2], created_at)).fetchone():
            return n
        # It, or another by its number: a mailbox deletes what was delivered.
        if db.execute('SELECT 1 FROM pruned WHERE key = ? AND n >= ?', (row[0], n)).fetchone():
            raise uncertain(store)
    return None


def uncertain(store):
    return FileSignalError('STORE_UNCERTAIN', '"{}": its files were replaced while the event was stored'.format(store),
                           'stored or not is not known: signal again, with dedupe where it must not be there twice')


def check_files(store):
    for suffix in ('', '-wal', '-shm'):
        try:
            if not stat.S_ISREG(os.lstat(store + suffix).st_mode):
                raise FileSignalError('PATH_UNSAFE', '"{}{}" is a link or no regular file'.format(store, suffix),
                                      'remove what stands there')
        except OSError as error:
            if suffix == '':
                raise FileSignalError('STORE_MISSING', 'no store at "{}" ({})'.format(store, error.strerror),
                                      'let file-signal make it, in the folder of the Node app: npx file-signal stats')
    if is_foreign_wal(store):
        raise FileSignalError('STORE_FAILED', '"{}-wal" belongs to another file than stands there'.format(store), CLEAR)


def is_foreign_wal(store):
    """SQLite would replay what a killed process left of one file into another that was put in its place since."""
    try:
        with os.fdopen(os.open(store + '-owner', os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), 'rb') as note:
            owner, owned = note.read(96).decode('latin-1').split()
        main, wal = os.lstat(store), os.lstat(store + '-wal')
    except (OSError, ValueError):
        return False
    return (owner != str(main.st_ino) and owned.split('.')[0] == str(wal.st_ino)
            and wal.st_size > 0 and wal.st_mtime_ns < main.st_ctime_ns)


def check_store(db, store):
    if db.execute('PRAGMA application_id').fetchone()[0] != APPLICATION_ID:
        raise FileSignalError('STORE_FOREIGN', '"{}" is no store of file-signal'.format(store),
                              POINT_ELSEWHERE)
    version = db.execute('PRAGMA user_version').fetchone()[0]
    if version != 1:
        raise FileSignalError('STORE_NEWER', '"{}" has schema {}, this file knows 1'.format(store, version),
                              'copy the file anew from your version of file-signal')


def skip_numbers(db, boot):
    """A power cut may have rolled back rows that browsers have seen: their numbers must not come again."""
    known = db.execute("SELECT value FROM meta WHERE name = 'boot'").fetchone()
    if boot is not None and known is not None and known[0] != boot:
        db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'events'", (GAP,))
        db.execute("UPDATE meta SET value = ? WHERE name = 'boot'", (boot,))


def continued_epoch(db, store, file):
    """The epoch of the next row: a new one where a row was signalled that the store does not have (any more)."""
    head = db.execute("SELECT seq, epoch FROM standing, sqlite_sequence WHERE name = 'events'").fetchone()
    if head is None or not head[1]:
        raise FileSignalError('STORE_FAILED', '"{}" lacks the rows that it keeps about itself'.format(store), MEND)
    seq, epoch = head
    own = epoch[:FAMILY]
    # Signals follow commits, so while nobody else may write none can be ahead of a store that has lost nothing.
    family, n = newest(file)
    if not is_ahead(family, n, seq):
        return epoch
    strangers = db.execute("SELECT value FROM meta WHERE name = 'strangers'").fetchone()
    strangers = strangers[0].split() if strangers is not None else []
    # Another store's signal may mean that this one was put in its place. Believed once: two may share a file.
    if family in strangers:
        return epoch
    if family not in ('', own):
        db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('strangers', ?)",
                   (' '.join((strangers + [family])[-MOST_STRANGERS:]),))
    return renew(db, own, n)


def renew(db, own, above):
    """A new epoch, which begins above every number that may have been given out: numbers never go back."""
    digits = '0123456789abcdefghijklmnopqrstuvwxyz'
    epoch = own + ''.join(random.SystemRandom().choice(digits) for _ in range(FAMILY))
    db.execute("UPDATE sqlite_sequence SET seq = ? + max(seq, ?, coalesce((SELECT max(id) FROM events), 0), "
               "coalesce((SELECT max(n) FROM pruned), 0), (SELECT max(floor, marked) FROM standing)) "
               "WHERE name = 'events'", (GAP, above))
    db.execute("UPDATE standing SET epoch = ?, start = (SELECT seq FROM sqlite_sequence WHERE name = 'events')",
               (epoch,))
    return epoch


def insert_row(db, row, dedupe):
    """Returns the row's number, and whether it was stored just now."""
    if dedupe is not None:
        first = db.execute('SELECT n FROM dedupes WHERE key = ? AND dedupe = ?', (row[0], dedupe)).fetchone()
        if first is not None:
            return first[0], False
    n = db.execute('INSERT INTO events (key, event, payload) VALUES (?, ?, ?)', row).lastrowid
    if dedupe is not None:
        db.execute('INSERT INTO dedupes (n, key, dedupe) VALUES (?, ?, ?)', (n, row[0], dedupe))
    return n, True


def boot_id():
    """Names this run of the machine; None where the system has no such thing."""
    try:
        with open('/proc/sys/kernel/random/boot_id') as file:
            return file.read().strip()
    except OSError:
        return None


def fault(error, store):
    # Python tells SQLite's number only since 3.11.
    text = str(error)
    what = '"{}": {}'.format(store, text)
    if 'locked' in text:
        return FileSignalError('STORE_BUSY', what, 'end the program that keeps a transaction open on the store; '
                               'nothing was stored, so signal again')
    if 'readonly' in text or 'unable to open' in text or 'access permission' in text:
        return FileSignalError('STORE_UNWRITABLE', what, 'run this as the user of the Node app, or give both one group')
    if 'full' in text:
        return FileSignalError('STORE_FULL', what, 'free some space; nothing was stored, so signal again')
    if 'not a database' in text:
        return FileSignalError('STORE_FOREIGN', what, POINT_ELSEWHERE)
    return FileSignalError('STORE_FAILED', what, MEND if 'no such table' in text else 'the event was not stored')


def newest(path):
    """Family and number of the row that the signal file names: '' for a bare number, 0 where there is none."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return '', 0
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return '', 0
        # Until two reads agree: one that overlaps a write could show digits of both.
        text, last = os.pread(file, 64, 0), None
        for _ in range(5):
            if text == last:
                break
            text, last = os.pread(file, 64, 0), text
    except OSError:
        return '', 0
    finally:
        os.close(file)
    match = HINT.match(text) if text == last else None
    if match is None:
        return '', 0
    return (match.group(1) or b'')[:FAMILY].decode('ascii'), int(match.group(2) or match.group(3))


def is_ahead(family, n, head):
    return head < n <= FURTHEST and (family != '' or n - head <= FURTHEST_BARE_HINT)


def wake(path, store, number):
    """Writes the id in place, so that whoever watches the file wakes; the file must be a regular one and no link."""
    folder = os.path.dirname(path)
    if os.path.islink(folder):
        raise OSError(0, 'its folder is a link')
    # Whoever committed later has woken all, and a lower number would hide what was given out.
    family, n = newest(path)
    if family in ('', number[:FAMILY]) and is_ahead(family, n, int(number.split('-')[1])):
        return
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        try:
            file = os.open(path, flags)
        except FileNotFoundError:
            create(path, store)
            file = os.open(path, flags)
    except FileNotFoundError:
        # Without its folder nobody watches: whoever begins to makes both.
        return
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(0, 'it is no regular file')
        os.write(file, '{:<47}\n'.format(number).encode('ascii'))
    finally:
        os.close(file)


def create(path, store):
    """With the rights of the store, so that whoever may read that may also read and write this."""
    like = os.stat(store)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return
    try:
        os.fchown(file, like.st_uid if os.geteuid() == 0 else -1, like.st_gid)
        os.fchmod(file, like.st_mode & 0o666)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(file)


def main():
    parser = argparse.ArgumentParser(description='Publishes one event for file-signal and prints its id.',
                                     epilog='Exit codes: 0 stored, 1 failed, 2 bad input, 3 busy.')
    parser.add_argument('key', metavar='KEY', type=utf8)
    parser.add_argument('json', metavar='JSON', type=utf8, nargs='?', default='null',
                        help='the payload; - reads it from stdin')
    parser.add_argument('--event', metavar='NAME', type=utf8)
    parser.add_argument('--dedupe', metavar='ID', type=utf8)
    parser.add_argument('--root', metavar='FOLDER')
    given = parser.parse_args()
    try:
        print(signal(given.key, parse(given.json), given.event, given.dedupe, given.root))
    except FileSignalError as error:
        print(error, file=sys.stderr)
        return 2 if error.code in BAD_INPUT else 3 if error.code == 'STORE_BUSY' else 1
    return 0


def utf8(argument):
    """Cron sets no locale, and old Pythons then take arguments for ASCII."""
    return os.fsencode(argument).decode('utf-8', 'surrogateescape')


def parse(text):
    try:
        if text == '-':
            text = sys.stdin.buffer.read().decode('utf-8')
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileSignalError('PAYLOAD_INVALID', 'the payload is not JSON ({})'.format(error),
                              'write JSON, with text in double quotes: \'"hello"\'') from error


if __name__ == '__main__':
    sys.exit(main())
