<?php
/**
 * Publishes events for file-signal from PHP 7.2 or later with PDO. Copy this one file.
 *
 *     require_once 'file-signal.php';
 *     file_signal('orders', ['id' => 7, 'total' => 12.5]);
 *
 *     php file-signal.php orders '{"id":7}' --event created --root /home/me/app
 *
 * The root is the folder of the Node app's package.json: the option 'root', a constant FILE_SIGNAL_ROOT, or the
 * environment's. The store must exist; file-signal makes it. What happens here and why: docs/protocol.md.
 */

const FILE_SIGNAL_MEND = 'let file-signal make them again, in the folder of the Node app: npx file-signal stats; '
    . 'nothing was stored';

/** `code` is a word such as STORE_BUSY, and begins the message. */
class FileSignalError extends RuntimeException
{
    public function __construct(string $code, string $what, string $remedy)
    {
        parent::__construct("$code: $what; $remedy.");
        $this->code = $code;
    }
}

/**
 * Stores one event and wakes those who wait for it. Returns its id, <epoch>-<n>.
 *
 * $payload is anything that JSON can hold. Options: 'event' is its SSE event name; 'dedupe' stores one event
 * however often it is called; 'root'; 'wait' is how many milliseconds to wait for a busy store (5000).
 *
 * Throws FileSignalError. Nothing is stored then, but for the code STORE_UNCERTAIN.
 */
function file_signal($key, $payload = null, array $options = []): string
{
    $json = json_encode($payload, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION);
    if ($json === false) {
        throw new FileSignalError('PAYLOAD_INVALID', 'the payload has no JSON form (' . json_last_error_msg() . ')',
            'pass what json_encode keeps whole, with text in UTF-8');
    }
    return file_signal_json($key, $json, $options);
}

/** The same for a payload that is JSON already. */
function file_signal_json($key, string $json, array $options = []): string
{
    if ($unknown = array_diff(array_keys($options), ['event', 'dedupe', 'root', 'wait'])) {
        throw new FileSignalError('OPTION_INVALID', 'option "' . implode(', ', $unknown) . '" is unknown',
            'use event, dedupe, root and wait');
    }
    $event = $options['event'] ?? null;
    $dedupe = $options['dedupe'] ?? null;
    file_signal_check_name('KEY_INVALID', 'key', $key);
    if ($event !== null) {
        file_signal_check_name('EVENT_INVALID', 'event name', $event);
        if (in_array($event, ['open', 'error', 'ready', 'reset', 'end', 'hello'], true)) {
            throw new FileSignalError('EVENT_INVALID', "event name \"$event\" is reserved", 'use another');
        }
    }
    if ($dedupe !== null) {
        file_signal_check_name('DEDUPE_INVALID', 'dedupe key', $dedupe);
    }
    if (strlen($json) > 1048576) {
        $size = strlen($json);
        throw new FileSignalError('PAYLOAD_TOO_LARGE', "the payload is $size bytes as JSON, the limit is 1048576",
            'send an id and let the browser fetch the rest');
    }
    json_decode($json);
    if (json_last_error() !== JSON_ERROR_NONE) {
        throw new FileSignalError('PAYLOAD_INVALID', 'the payload is not JSON (' . json_last_error_msg() . ')',
            'write JSON, with text in double quotes: \'"hello"\'');
    }
    list($store, $signal) = file_signal_paths($options['root'] ?? null);
    $wait = (int) ($options['wait'] ?? 5000);
    list($id, $stored) = file_signal_store($store, $signal, [$key, $event, $json], $dedupe, $wait);
    if ($stored && !file_signal_wake($signal, $store, $id)) {
        // The event is stored, and readers find it by themselves a moment later: no reason to fail.
        error_log("SIGNAL_FAILED: \"$signal\" cannot be written; make it a regular file that this user may write.");
    }
    return $id;
}

function file_signal_check_name(string $code, string $what, $name)
{
    if (is_string($name) && preg_match('/^[^\x{0}-\x{1f}\x{7f}-\x{9f}]{1,200}$/Du', $name)) {
        return;
    }
    $shown = json_encode($name, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE);
    $shown = preg_replace('/^(.{60}).+$/u', '$1…', (string) $shown);
    throw new FileSignalError($code, "$what $shown is not allowed",
        'use 1 to 200 characters of UTF-8 without control characters');
}

/** The store and its signal file. Nothing depends on the working directory: cron starts in $HOME. */
function file_signal_paths($root): array
{
    $constant = defined('FILE_SIGNAL_ROOT') ? constant('FILE_SIGNAL_ROOT') : '';
    $root = $root ?: $constant ?: file_signal_setting('FILE_SIGNAL_ROOT');
    $database = file_signal_setting('FILE_SIGNAL_DATABASE') ?: 'data/sse_payloads.sqlite';
    $directory = file_signal_setting('FILE_SIGNAL_DIR') ?: 'tmp/sse_signals';
    if ($database[0] !== '/' || $directory[0] !== '/') {
        $found = $root === '' ? false : realpath($root);
        if ($found === false) {
            throw new FileSignalError('ROOT_UNKNOWN', "the root is \"$root\", which is no folder",
                'set FILE_SIGNAL_ROOT to the folder of the Node app’s package.json');
        }
        $database = $database[0] === '/' ? $database : "$found/$database";
        $directory = $directory[0] === '/' ? $directory : "$found/$directory";
    }
    $name = basename($database) === 'sse_payloads.sqlite' ? '' : pathinfo($database, PATHINFO_FILENAME);
    $names = ['' => 'events', 'events' => 'events-store'];
    return [$database, "$directory/" . ($names[$name] ?? $name) . '.signal'];
}

/** A shell that reads a .env with Windows line ends leaves a carriage return at the end of each value. */
function file_signal_setting(string $name): string
{
    return rtrim((string) getenv($name), "\r");
}

/**
 * Returns the event's id, and whether it was stored just now.
 *
 * Somebody may delete or replace the files while this waits for the lock. SQLite commits to them without an error then,
 * and nobody else reads them: all is done anew.
 */
function file_signal_store(string $store, string $signal, array $row, $dedupe, int $wait): array
{
    $adrift = [];
    for ($i = 0; $i < 3; $i++) {
        try {
            list($result, $committed) = file_signal_attempt($store, $signal, $row, $dedupe, $wait, $adrift);
        } catch (FileSignalError $error) {
            throw $adrift ? file_signal_uncertain($store) : $error;
        }
        if ($result) {
            return $result;
        }
        if ($committed) {
            $adrift[] = $committed;
        }
    }
    throw $adrift ? file_signal_uncertain($store) : new FileSignalError('STORE_FAILED',
        "\"$store\": its files were replaced again and again",
        'find what touches them; nothing was stored, so signal again');
}

function file_signal_uncertain(string $store): FileSignalError
{
    return new FileSignalError('STORE_UNCERTAIN', "\"$store\": its files were replaced while the event was stored",
        'stored or not is not known: signal again, with dedupe where it must not be there twice');
}

function file_signal_check_files(string $store)
{
    foreach ([$store, "$store-wal", "$store-shm"] as $i => $file) {
        clearstatcache(true, $file);
        if (is_link($file) || (file_exists($file) && !is_file($file))) {
            throw new FileSignalError('PATH_UNSAFE', "\"$file\" is a link or no regular file",
                'remove what stands there');
        }
        if ($i === 0 && !is_file($file)) {
            throw new FileSignalError('STORE_MISSING', "no store at \"$file\", or this user may not enter its folder",
                'let file-signal make it, in the folder of the Node app: npx file-signal stats');
        }
    }
    if (file_signal_is_foreign_wal($store)) {
        throw new FileSignalError('STORE_FAILED', "\"$store-wal\" belongs to another file than stands there",
            'let file-signal clear it, in the folder of the Node app: npx file-signal stats; nothing was stored');
    }
}

/**
 * Returns id and whether it was stored just now, or null where the files are others than those that were open; and
 * number and time of the row that was committed to them. $adrift has those of earlier attempts.
 *
 * The connection ends with this function. Where side files were deleted and no other process has the store open, SQLite
 * copies from what it has open into the store then: what others committed meanwhile may be lost with it.
 */
function file_signal_attempt(string $store, string $signal, array $row, $dedupe, int $wait, array $adrift): array
{
    file_signal_check_files($store);
    $db = null;
    $files = null;
    $committed = null;
    try {
        $main = file_signal_identity($store);
        $options = [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION];
        if (defined('PDO::SQLITE_ATTR_OPEN_FLAGS')) {
            $options[constant('PDO::SQLITE_ATTR_OPEN_FLAGS')] = constant('PDO::SQLITE_OPEN_READWRITE');
        }
        $db = new PDO("sqlite:$store", null, null, $options);
        $db->exec("PRAGMA busy_timeout = $wait");
        $mode = $db->query('PRAGMA journal_mode')->fetchColumn();
        // What was read has opened them all. SQLite itself replaces none while a connection is open.
        $files = file_signal_identities($store);
        if ($files[0] !== $main || ($mode === 'wal' && in_array('', $files, true))) {
            return [null, null];
        }
        $boot = @file_get_contents('/proc/sys/kernel/random/boot_id');
        if ($boot !== false && $mode === 'wal') {
            $db->exec('PRAGMA synchronous = NORMAL');
        }
        $db->exec('BEGIN IMMEDIATE');
        if (file_signal_identities($store) !== $files) {
            $db->exec('ROLLBACK');
            return [null, null];
        }
        file_signal_check_store($db, $store);
        file_signal_skip_numbers($db, trim((string) $boot));
        $epoch = file_signal_continued_epoch($db, $store, $signal);
        $n = file_signal_find_adrift($db, $store, $row, $adrift);
        list($n, $stored) = $n === null ? file_signal_insert($db, $row, $dedupe) : [$n, true];
        if ($stored) {
            $at = file_signal_ask($db, 'SELECT created_at FROM events WHERE id = ?', [$n])->fetchColumn();
            $committed = [$n, $at];
        }
        $db->exec('COMMIT');
        if (file_signal_identities($store) !== $files) {
            return [null, $committed];
        }
        return [["$epoch-$n", $stored || $adrift], null];
    } catch (Exception $error) {
        // A trace may keep the connection alive, and with it the lock.
        try {
            $db === null || $db->exec('ROLLBACK');
        } catch (PDOException $none) {
        }
        if ($error instanceof PDOException && $files !== null && file_signal_identities($store) !== $files) {
            return [null, $committed];
        }
        throw $error instanceof PDOException ? file_signal_fault($error, $store) : $error;
    }
}

/** Looked at, never opened: closing a descriptor of a file drops SQLite's locks on it. */
function file_signal_identities(string $store): array
{
    return array_map('file_signal_identity', [$store, "$store-wal", "$store-shm"]);
}

function file_signal_identity(string $path): string
{
    clearstatcache(true, $path);
    $found = @lstat($path);
    return $found ? "{$found['dev']}:{$found['ino']}" : '';
}

/** Number of a row that an earlier attempt has committed, where it is in the store after all; else null. */
function file_signal_find_adrift(PDO $db, string $store, array $row, array $adrift)
{
    foreach ($adrift as list($n, $at)) {
        // CAST: PDO binds numbers as text.
        if (file_signal_ask($db, 'SELECT 1 FROM events WHERE id = CAST(? AS INTEGER) AND key = ? AND payload = ?
            AND created_at = CAST(? AS INTEGER)', [$n, $row[0], $row[2], $at])->fetchColumn()) {
            return $n;
        }
        // It, or another by its number: a mailbox deletes what was delivered.
        if (file_signal_ask($db, 'SELECT 1 FROM pruned WHERE key = ? AND n >= CAST(? AS INTEGER)',
            [$row[0], $n])->fetchColumn()) {
            throw file_signal_uncertain($store);
        }
    }
    return null;
}

/** SQLite would replay what a killed process left of one file into another that was put in its place since. */
function file_signal_is_foreign_wal(string $store): bool
{
    clearstatcache();
    if (is_link("$store-owner") || !is_file("$store-owner")) {
        return false;
    }
    $note = explode(' ', trim((string) @file_get_contents("$store-owner", false, null, 0, 96)));
    $main = @lstat($store);
    $wal = @lstat("$store-wal");
    return $main && $wal && count($note) === 2 && (int) $note[0] !== $main['ino'] && (int) $note[1] === $wal['ino']
        && $wal['size'] > 0 && $wal['mtime'] <= $main['ctime'];
}

function file_signal_check_store(PDO $db, string $store)
{
    if ((int) $db->query('PRAGMA application_id')->fetchColumn() !== 0x46536967) {
        throw new FileSignalError('STORE_FOREIGN', "\"$store\" is no store of file-signal",
            'point FILE_SIGNAL_ROOT or FILE_SIGNAL_DATABASE at the Node app’s');
    }
    $version = (int) $db->query('PRAGMA user_version')->fetchColumn();
    if ($version !== 1) {
        throw new FileSignalError('STORE_NEWER', "\"$store\" has schema $version, this file knows 1",
            'copy the file anew from your version of file-signal');
    }
}

function file_signal_ask(PDO $db, string $sql, array $values = []): PDOStatement
{
    $statement = $db->prepare($sql);
    $statement->execute($values);
    return $statement;
}

/** A power cut may have rolled back rows that browsers have seen: their numbers must not come again. */
function file_signal_skip_numbers(PDO $db, string $boot)
{
    $known = file_signal_ask($db, "SELECT value FROM meta WHERE name = 'boot'")->fetchColumn();
    if ($boot !== '' && $known !== false && $known !== $boot) {
        file_signal_ask($db, "UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name = 'events'");
        file_signal_ask($db, "UPDATE meta SET value = ? WHERE name = 'boot'", [$boot]);
    }
}

/** The epoch of the next row: a new one where a row was signalled that the store does not have (any more). */
function file_signal_continued_epoch(PDO $db, string $store, string $signal): string
{
    $head = file_signal_ask($db, "SELECT seq, epoch FROM standing, sqlite_sequence WHERE name = 'events'")
        ->fetch(PDO::FETCH_NUM);
    if (!$head || (string) $head[1] === '') {
        throw new FileSignalError('STORE_FAILED', "\"$store\" lacks the rows that it keeps about itself",
            FILE_SIGNAL_MEND);
    }
    // Characters of an epoch that a store keeps for life: they tell its epochs from another store's.
    $own = substr($head[1], 0, 4);
    // Signals follow commits, so while nobody else may write none can be ahead of a store that has lost nothing.
    list($family, $n) = file_signal_newest($signal);
    if (!file_signal_is_ahead($family, $n, (int) $head[0])) {
        return $head[1];
    }
    $strangers = file_signal_ask($db, "SELECT value FROM meta WHERE name = 'strangers'")->fetchColumn();
    $strangers = array_filter(explode(' ', (string) $strangers), 'strlen');
    // Another store's signal may mean that this one was put in its place. Believed once: two may share a file.
    if (in_array($family, $strangers, true)) {
        return $head[1];
    }
    if ($family !== '' && $family !== $own) {
        $strangers[] = $family;
        file_signal_ask($db, "INSERT OR REPLACE INTO meta (name, value) VALUES ('strangers', ?)",
            [implode(' ', array_slice($strangers, -8))]);
    }
    return file_signal_renew($db, $own, $n);
}

/** A new epoch, which begins above every number that may have been given out: numbers never go back. */
function file_signal_renew(PDO $db, string $own, int $above): string
{
    $epoch = $own;
    for ($i = 0; $i < 4; $i++) {
        $epoch .= base_convert((string) random_int(0, 35), 10, 36);
    }
    $db->exec("UPDATE sqlite_sequence SET seq = 1000000 + max(seq, $above,
        coalesce((SELECT max(id) FROM events), 0), coalesce((SELECT max(n) FROM pruned), 0),
        (SELECT max(floor, marked) FROM standing)) WHERE name = 'events'");
    file_signal_ask($db, "UPDATE standing SET epoch = ?,
        start = (SELECT seq FROM sqlite_sequence WHERE name = 'events')", [$epoch]);
    return $epoch;
}

/** Returns the row's number, and whether it was stored just now. */
function file_signal_insert(PDO $db, array $row, $dedupe): array
{
    $first = $dedupe === null ? false
        : file_signal_ask($db, 'SELECT n FROM dedupes WHERE key = ? AND dedupe = ?', [$row[0], $dedupe])->fetchColumn();
    if ($first !== false) {
        return [$first, false];
    }
    file_signal_ask($db, 'INSERT INTO events (key, event, payload) VALUES (?, ?, ?)', $row);
    $n = $db->lastInsertId();
    if ($dedupe !== null) {
        file_signal_ask($db, 'INSERT INTO dedupes (n, key, dedupe) VALUES (?, ?, ?)', [$n, $row[0], $dedupe]);
    }
    return [$n, true];
}

function file_signal_fault(PDOException $error, string $store): FileSignalError
{
    $faults = [
        5 => ['STORE_BUSY', 'end the program that keeps a transaction open on the store; nothing was stored, '
            . 'so signal again'],
        8 => ['STORE_UNWRITABLE', 'run this as the user of the Node app, or give both one group'],
        13 => ['STORE_FULL', 'free some space; nothing was stored, so signal again'],
        26 => ['STORE_FOREIGN', 'point FILE_SIGNAL_ROOT or FILE_SIGNAL_DATABASE at the Node app’s'],
    ];
    $faults += [6 => $faults[5], 14 => $faults[8], 23 => $faults[8]];
    list($code, $remedy) = $faults[$error->errorInfo[1] ?? 0] ?? ['STORE_FAILED', 'the event was not stored'];
    if (strpos($error->getMessage(), 'no such table') !== false) {
        $remedy = FILE_SIGNAL_MEND;
    }
    return new FileSignalError($code, "\"$store\": " . $error->getMessage(), $remedy);
}

/** Family and number of the row that the signal file names: '' for a bare number, 0 where there is none. */
function file_signal_newest(string $signal): array
{
    clearstatcache(true, $signal);
    $seen = @lstat($signal);
    if (!$seen || ($seen['mode'] & 0170000) !== 0100000 || !($file = @fopen($signal, 'rb'))) {
        return ['', 0];
    }
    $opened = fstat($file);
    $text = null;
    if ($opened['ino'] === $seen['ino'] && $opened['dev'] === $seen['dev']) {
        stream_set_read_buffer($file, 0);
        $last = fread($file, 64);
        // Until two reads agree: one that overlaps a write could show digits of both.
        for ($i = 0; $i < 5 && $text === null; $i++) {
            rewind($file);
            $read = fread($file, 64);
            $text = $read === $last ? $read : null;
            $last = $read;
        }
    }
    fclose($file);
    $hint = '/^[ \t]*(?:([0-9a-z]{4,32})-(0|[1-9][0-9]{0,15})|([0-9]{1,16}))(?![^\s\0])/D';
    if (!preg_match($hint, (string) $text, $match)) {
        return ['', 0];
    }
    return [substr($match[1], 0, 4), (int) ($match[3] ?? $match[2])];
}

/** A bare number that is very far ahead is no row number, but a time stamp or the like. */
function file_signal_is_ahead(string $family, int $n, int $head): bool
{
    return $n > $head && $n <= 9007199254740991 - 1000000000 && ($family !== '' || $n - $head <= 1000000000);
}

/** Writes the id in place, so that whoever watches the file wakes; the file must be a regular one and no link. */
function file_signal_wake(string $signal, string $store, string $id): bool
{
    if (is_link(dirname($signal))) {
        return false;
    }
    clearstatcache(true, $signal);
    $seen = @lstat($signal) ?: file_signal_create($signal, $store);
    if (!$seen) {
        // Without its folder nobody watches: whoever begins to makes both.
        return !is_dir(dirname($signal));
    }
    // Whoever committed later has woken all, and a lower number would hide what was given out.
    list($family, $n) = file_signal_newest($signal);
    list($epoch, $own) = explode('-', $id);
    if (($family === '' || $family === substr($epoch, 0, 4)) && file_signal_is_ahead($family, $n, (int) $own)) {
        return true;
    }
    if (($seen['mode'] & 0170000) !== 0100000 || !($file = @fopen($signal, 'r+b'))) {
        return false;
    }
    $opened = fstat($file);
    $same = $opened['ino'] === $seen['ino'] && $opened['dev'] === $seen['dev'];
    $written = $same && fwrite($file, str_pad($id, 47) . "\n") === 48;
    fclose($file);
    return $written;
}

/** With the rights of the store, so that whoever may read that may also read and write this. */
function file_signal_create(string $signal, string $store)
{
    if (!($file = @fopen($signal, 'xb'))) {
        return @lstat($signal);
    }
    fclose($file);
    $root = function_exists('posix_geteuid') && posix_geteuid() === 0;
    if ((filegroup($signal) === filegroup($store) || @chgrp($signal, filegroup($store)))
        && (!$root || @chown($signal, fileowner($store))) && @chmod($signal, fileperms($store) & 0666)) {
        clearstatcache(true, $signal);
        return lstat($signal);
    }
    unlink($signal);
    return false;
}

/** `php file-signal.php KEY [JSON|-]`: prints the id. Exit codes: 0 stored, 1 failed, 2 bad input, 3 busy. */
function file_signal_main(array $words): int
{
    $usage = 'usage: php file-signal.php KEY [JSON|-] [--event NAME] [--dedupe ID] [--root FOLDER]';
    $given = [];
    $options = [];
    while ($words) {
        $word = array_shift($words);
        if (!preg_match('/^--(\w*)(?:=(.*))?$/Ds', $word, $match)) {
            $given[] = $word;
        } elseif (in_array($match[1], ['event', 'dedupe', 'root'], true) && (isset($match[2]) || $words)) {
            $options[$match[1]] = $match[2] ?? array_shift($words);
        } else {
            $given = [];
            break;
        }
    }
    if (count($given) < 1 || count($given) > 2) {
        fwrite(STDERR, "$usage\n");
        return 2;
    }
    $json = $given[1] ?? 'null';
    try {
        $json = $json === '-' ? stream_get_contents(STDIN) : $json;
        echo file_signal_json($given[0], $json, $options), "\n";
        return 0;
    } catch (FileSignalError $error) {
        fwrite(STDERR, $error->getMessage() . "\n");
        if ($error->getCode() === 'STORE_BUSY') {
            return 3;
        }
        return preg_match('/^(KEY|EVENT|DEDUPE|PAYLOAD|OPTION)_/', $error->getCode()) ? 2 : 1;
    }
}

if (PHP_SAPI === 'cli' && isset($argv) && realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    exit(file_signal_main(array_slice($argv, 1)));
}
