#!/bin/sh
# Publishes events for file-signal from a shell, with the tool sqlite3. Copy this one file.
#
#     file-signal.sh orders '{"id":7}' --event created --root /home/me/app
#
#     . ./file-signal.sh
#     file_signal orders '{"id":7}'
#
# It prints the event's id. Exit codes: 0 stored, 1 failed, 2 bad input, 3 busy; then nothing is stored, but for the code
# STORE_UNCERTAIN.
# The root is the folder of the Node app's package.json: --root, or FILE_SIGNAL_ROOT. The store must exist;
# file-signal makes it. FILE_SIGNAL_WAIT is how many milliseconds to wait for a busy store (5000).
# What happens here and why: docs/protocol.md.

# The body stands in parentheses, a subshell: it may exit and name things without touching its caller.
file_signal() (
  usage='usage: file-signal.sh KEY [JSON|-] [--event NAME] [--dedupe ID] [--root FOLDER]'
  elsewhere="point FILE_SIGNAL_ROOT or FILE_SIGNAL_DATABASE at the Node app's"

  mend='let file-signal make them again, in the folder of the Node app: npx file-signal stats; nothing was stored'
  # No row number is higher; a bare number that is further ahead is a time stamp or the like.
  furthest=9007198254740991 furthest_bare=1000000000

  # Condition that finds what was committed to files which others have deleted or replaced meanwhile.
  adrift=''
  fail() { # EXIT_CODE CODE WHAT REMEDY
    if [ -n "$adrift" ]; then
      set -- 1 STORE_UNCERTAIN "\"$store\": its files were replaced while the event was stored" \
        'stored or not is not known: signal again, with --dedupe where it must not be there twice'
    fi
    printf '%s: %s; %s.\n' "$2" "$3" "$4" >&2
    exit "$1"
  }

  # A shell that reads a .env with Windows line ends leaves a carriage return at the end of each value.
  setting() { # VALUE
    printf %s "${1%"$(printf '\r')"}"
  }

  read_words() {
    key='' json=null event='' dedupe='' root=$(setting "${FILE_SIGNAL_ROOT:-}") given=0
    while [ $# -gt 0 ]; do
      case $1 in
        --event | --dedupe | --root)
          [ -n "${2:-}" ] || fail 2 OPTION_INVALID "$1 has no value" "$usage"
          case $1 in
            --event) event=$2 ;;
            --dedupe) dedupe=$2 ;;
            --root) root=$2 ;;
          esac
          shift
          ;;
        --*) fail 2 OPTION_INVALID "option $1 is unknown" "$usage" ;;
        *)
          given=$((given + 1))
          [ $given != 1 ] || key=$1
          [ $given != 2 ] || json=$1
          ;;
      esac
      shift
    done
    [ $given = 1 ] || [ $given = 2 ] || fail 2 OPTION_INVALID "$given words were given" "$usage"
  }

  # Of stdin, each byte with a space before it and one at the end.
  hex() {
    od -An -v -tx1 | tr -s ' \n' ' '
  }

  # Text goes into SQL as its bytes in hexadecimal: no quoting can go wrong, and nothing be injected.
  literal() { # HEX
    printf "CAST(x'%s' AS TEXT)" "$(printf %s "$1" | tr -d ' ')"
  }

  name_literal() { # CODE WHAT NAME
    bytes=$(printf %s "$3" | hex)
    length=$(printf %s "$3" | iconv -f UTF-8 -t UTF-32BE 2>/dev/null | wc -c)
    printf %s "$3" | iconv -f UTF-8 -t UTF-32BE >/dev/null 2>&1 || length=0
    case $bytes in
      *' '[01]?' '* | *' 7f '* | *' c2 '[89]?' '*) length=0 ;;
    esac
    [ "$length" -ge 4 ] && [ "$length" -le 800 ] || fail 2 "$1" \
      "$2 \"$(printf %.60s "$3" | tr -d '\001-\037\177')\" is not allowed" \
      'use 1 to 200 characters of UTF-8 without control characters'
    literal "$bytes"
  }

  check_event() {
    case $event in
      open | error | ready | reset | end | hello)
        fail 2 EVENT_INVALID "event name \"$event\" is reserved" 'use another'
        ;;
    esac
  }

  payload_literal() {
    if [ "$json" = - ]; then bytes=$(hex); else bytes=$(printf %s "$json" | hex); fi
    size=$((${#bytes} / 3))
    [ $size -le 1048576 ] || fail 2 PAYLOAD_TOO_LARGE \
      "the payload is $size bytes as JSON, the limit is 1048576" 'send an id and let the browser fetch the rest'
    text=$(literal "$bytes")
    printf 'SELECT %s;' "$text" | query :memory: | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1 ||
      fail 2 PAYLOAD_INVALID 'the payload is not UTF-8' 'write JSON in UTF-8'
    # Tools of before 2022 may lack json_valid(); there a payload is taken as it is.
    [ "$(printf 'SELECT json_valid(%s);' "$text" | query :memory:)" != 0 ] || fail 2 PAYLOAD_INVALID \
      'the payload is not JSON' "write JSON, with text in double quotes: '\"hello\"'"
    printf %s "$text"
  }

  # Nothing depends on the working directory: cron starts in $HOME.
  find_paths() {
    store=$(setting "${FILE_SIGNAL_DATABASE:-}") folder=$(setting "${FILE_SIGNAL_DIR:-}")
    store=${store:-data/sse_payloads.sqlite} folder=${folder:-tmp/sse_signals}
    if [ "${store#/}" = "$store" ] || [ "${folder#/}" = "$folder" ]; then
      root=$(CDPATH='' cd -- "${root:-/dev/null}" 2>/dev/null && pwd -P) || fail 1 ROOT_UNKNOWN \
        'the root is no folder' "set FILE_SIGNAL_ROOT to the folder of the Node app's package.json"
    fi
    [ "${store#/}" != "$store" ] || store=$root/$store
    [ "${folder#/}" != "$folder" ] || folder=$root/$folder
    stem=${store##*/}
    case $stem in
      sse_payloads.sqlite) stem=events ;;
      events | events.*) stem=events-store ;;
      *) stem=${stem%.*} ;;
    esac
    signal=$folder/$stem.signal
  }

  query() { # DATABASE; the SQL comes from stdin, errors go where the rows go
    sqlite3 -batch -bail -noheader -list -init /dev/null -cmd ".timeout ${FILE_SIGNAL_WAIT:-5000}" "$1" 2>&1
  }

  check_store() {
    for file in "$store" "$store-wal" "$store-shm"; do
      if [ -h "$file" ] || { [ -e "$file" ] && ! [ -f "$file" ]; }; then
        fail 1 PATH_UNSAFE "\"$file\" is a link or no regular file" 'remove what stands there'
      fi
    done
    [ -f "$store" ] || fail 1 STORE_MISSING "no store at \"$store\", or this user may not enter its folder" \
      'let file-signal make it, in the folder of the Node app: npx file-signal stats'
    ! is_foreign_wal || fail 1 STORE_FAILED "\"$store-wal\" belongs to another file than stands there" \
      'let file-signal clear it, in the folder of the Node app: npx file-signal stats; nothing was stored'
    marks=$(printf 'PRAGMA application_id; PRAGMA user_version; PRAGMA journal_mode;' | query "$store" | tr '\n' ' ')
    case $marks in
      '1179871591 1 wal ') synchronous=NORMAL ;;
      '1179871591 1 '*) synchronous=FULL ;;
      '1179871591 '[0-9]*) fail 1 STORE_NEWER "\"$store\" has another schema, this file knows 1" \
        'copy the file anew from your version of file-signal' ;;
      *rror*) refuse "$marks" ;;
      *) fail 1 STORE_FOREIGN "\"$store\" is no store of file-signal" "$elsewhere" ;;
    esac
  }

  # Sets family and number of the row that the signal file names: '-' for a bare number, 0 where there is none.
  newest() {
    family=- n=0
    [ ! -h "$signal" ] && [ -f "$signal" ] && [ -r "$signal" ] || return 0
    record=$(dd if="$signal" bs=64 count=1)
    # Until two reads agree: one that overlaps a write could show digits of both.
    for _ in 1 2 3 4 5; do
      last=$record record=$(dd if="$signal" bs=64 count=1)
      [ "$record" != "$last" ] || break
    done
    [ "$record" = "$last" ] || return 0
    record=${record#"${record%%[! "$tab"]*}"}
    word=${record%%[!0-9a-z-]*}
    case ${record#"$word"} in [![:space:]]*) return 0 ;; esac
    is_hint "$word" || return 0
    n=${word##*-}
    [ "$word" = "$n" ] || family=$(printf %.4s "${word%-*}")
    # The shell would take it for octal.
    n=${n#"${n%%[!0]*}"} n=${n:-0}
  } 2>/dev/null

  is_hint() { # WORD
    number=${1##*-} named=${1%-*}
    case $number in '' | *[!0-9]*) return 1 ;; esac
    [ ${#number} -le 16 ] || return 1
    [ "$1" != "$number" ] || return 0
    case $named in *[!0-9a-z]*) return 1 ;; esac
    case $number in 0?*) return 1 ;; esac
    [ ${#named} -ge 4 ] && [ ${#named} -le 32 ]
  }

  # SQLite would replay what a killed process left of one file into another that was put in its place since.
  is_foreign_wal() {
    [ -s "$store-wal" ] && [ -f "$store-owner" ] && [ ! -h "$store-owner" ] && [ -r "$store-owner" ] || return 1
    read -r owner owned <"$store-owner"
    [ "$owner" != "$(inode "$store")" ] && [ "${owned%%.*}" = "$(inode "$store-wal")" ] &&
      [ -n "$(find "$store" -prune -cnewer "$store-wal" 2>/dev/null)" ]
  }

  inode() { # FILE
    listed=$(ls -di "$1")
    listed=${listed#"${listed%%[! ]*}"}
    printf %s "${listed%% *}"
  }

  # Sets id, and answer to 'known' or 'stored'. Somebody may delete or replace the files while sqlite3 waits for the lock.
  # It commits to them without an error then, and nobody else reads them: all is done anew.
  store_event() {
    known="SELECT n FROM dedupes WHERE key = $key_sql AND dedupe = $dedupe_sql"
    for _ in 1 2 3; do
      check_store
      before=$(inodes)
      if answer=$(insert | query "$store"); then
        id=${answer##*[!0-9a-z-]}
        case $id in
          ?*-[1-9]*) ;;
          *) fail 1 STORE_FAILED "\"$store\" lacks the rows that it keeps about itself" "$mend" ;;
        esac
        ! is_kept || return 0
        # The second line is the time of the row.
        time=$(printf %s "$answer" | sed -n 2p) time=${time%%[!0-9]*}
        row="id = ${id##*-} AND key = $key_sql AND payload = $payload_sql AND created_at = ${time:-0}"
        case $(fate) in
          stored) return 0 ;;
          lost) adrift="${adrift:+$adrift OR }($row)" ;;
          *) adrift=$row && fail ;;
        esac
      else
        case $answer in *locked*) refuse "$answer" ;; esac
        [ "$before" != "$(inodes)" ] || refuse "$answer"
      fi
    done
    fail 1 STORE_FAILED "\"$store\": its files were replaced again and again" \
      'find what touches them; nothing was stored, so signal again'
  }

  inodes() {
    ls -di "$store" "$store-wal" "$store-shm" 2>/dev/null
  }

  # SQLite removes -wal and -shm when the last program closes the store, and never replaces them while one has it open.
  is_kept() {
    case $before in *"$store-wal"*) [ "$before" = "$(inodes)" ] ;; *) false ;; esac
  }

  # Looks into the store that stands at the path now. A mailbox deletes what was delivered: it, or another by its number.
  fate() {
    # sqlite3 would make a missing one.
    [ -f "$store" ] && query "$store" <<SQL
SELECT CASE WHEN EXISTS ($known) OR EXISTS (SELECT 1 FROM events WHERE $row) THEN 'stored'
  WHEN EXISTS (SELECT 1 FROM pruned WHERE key = $key_sql AND n >= ${id##*-}) THEN 'unknown' ELSE 'lost' END;
SQL
  }

  insert() {
    # What an earlier attempt has committed may be in the store after all.
    again="(SELECT max(id) FROM events WHERE ${adrift:-0})"
    boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
    # Signals follow commits, so what was read before the store is never ahead of one that has lost nothing.
    newest
    # Characters of an epoch that a store keeps for life: they tell its epochs from another store's.
    own='(SELECT substr(epoch, 1, 4) FROM standing)'
    strangers="coalesce((SELECT value FROM meta WHERE name = 'strangers'), '')"
    # Another store's signal may mean that this one was put in its place. Believed once: two may share a file.
    is_ahead="$n <= $furthest AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'events' AND seq < $n
      AND ('$family' <> '-' OR $n - seq <= $furthest_bare))
      AND ('$family' IN ('-', $own) OR instr(' ' || $strangers || ' ', ' $family ') = 0)"
    digit="substr('0123456789abcdefghijklmnopqrstuvwxyz', 1 + abs(random() % 36), 1)"
    is_whole="EXISTS (SELECT 1 FROM standing, sqlite_sequence WHERE name = 'events' AND epoch <> '')"
    # First: a power cut may have rolled back rows that browsers have seen, and their numbers must not come again.
    # Then, where a row was signalled that the store does not have (any more): a new epoch, which begins above every
    # number that may have been given out. Each statement asks whether the one before it has changed anything.
    cat <<SQL
${boot:+PRAGMA synchronous = $synchronous;}
BEGIN IMMEDIATE;
UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name = 'events' AND '$boot' <> ''
  AND EXISTS (SELECT 1 FROM meta WHERE name = 'boot' AND value <> '$boot');
UPDATE meta SET value = '$boot' WHERE name = 'boot' AND '$boot' <> '';
UPDATE standing SET epoch = $own || $digit || $digit || $digit || $digit,
    start = 1000000 + max($n, floor, marked, (SELECT seq FROM sqlite_sequence WHERE name = 'events'),
      coalesce((SELECT max(id) FROM events), 0), coalesce((SELECT max(n) FROM pruned), 0))
  WHERE $is_whole AND $is_ahead;
UPDATE sqlite_sequence SET seq = (SELECT start FROM standing) WHERE name = 'events' AND changes() > 0;
INSERT OR REPLACE INTO meta (name, value)
  SELECT 'strangers', substr(trim($strangers || ' $family'), -39)
  WHERE changes() > 0 AND '$family' NOT IN ('-', $own);
INSERT INTO events (key, event, payload)
  SELECT $key_sql, $event_sql, $payload_sql WHERE $is_whole AND NOT EXISTS ($known) AND $again IS NULL;
SELECT CASE changes() WHEN 0 THEN 'known' ELSE 'stored' END;
SELECT created_at FROM events WHERE id = coalesce(($known), $again, last_insert_rowid());
INSERT INTO dedupes (n, key, dedupe)
  SELECT last_insert_rowid(), $key_sql, $dedupe_sql
  WHERE $is_whole AND $dedupe_sql IS NOT NULL AND NOT EXISTS ($known);
SELECT epoch || '-' || coalesce(($known), $again, last_insert_rowid()) FROM standing WHERE $is_whole;
COMMIT;
SQL
  }

  refuse() { # what sqlite3 printed
    what="\"$store\": $(printf %s "$1" | head -n 1)"
    case $1 in
      *locked*) fail 3 STORE_BUSY "$what" \
        'end the program that keeps a transaction open on the store; nothing was stored, so signal again' ;;
      *readonly* | *'unable to open'*) fail 1 STORE_UNWRITABLE "$what" \
        'run this as the user of the Node app, or give both one group' ;;
      *' full'*) fail 1 STORE_FULL "$what" 'free some space; nothing was stored, so signal again' ;;
      *'not a database'*) fail 1 STORE_FOREIGN "$what" "$elsewhere" ;;
      *'no such table'*) fail 1 STORE_FAILED "$what" "$mend" ;;
      *) fail 1 STORE_FAILED "$what" 'the event was not stored' ;;
    esac
  }

  # Writes the id in place, so that whoever watches the file wakes; the file must be a regular one and no link.
  # Without its folder nobody watches: whoever begins to makes both.
  wake() {
    [ -d "$folder" ] || return 0
    ! is_told || return 0
    [ -e "$signal" ] || [ -h "$signal" ] || create_signal
    [ ! -h "$folder" ] && [ ! -h "$signal" ] && [ -f "$signal" ] && printf '%-47s\n' "$id" 1<>"$signal"
  }

  # Whoever committed later has woken all, and a lower number would hide what was given out.
  is_told() {
    newest
    own=${id##*-}
    [ "$n" -gt "$own" ] && [ "$n" -le $furthest ] || return 1
    case $id in "$family"*) return 0 ;; esac
    [ "$family" = - ] && [ $((n - own)) -le $furthest_bare ]
  }

  # With the rights of the store, so that whoever may read that may also read and write this.
  create_signal() {
    (umask 077 && set -C && : >"$signal") || return 0
    if [ "$(id -u)" = 0 ]; then chown --reference="$store" "$signal"; else chgrp --reference="$store" "$signal"; fi &&
      chmod --reference="$store" "$signal" || rm -f "$signal"
  }

  for tool in sqlite3 iconv od; do
    command -v "$tool" >/dev/null || fail 1 TOOL_MISSING "there is no $tool here" \
      'install it, or use the command: npx file-signal signal'
  done
  read_words "$@"
  key_sql=$(name_literal KEY_INVALID key "$key") || exit
  event_sql=NULL dedupe_sql=NULL
  if [ -n "$event" ]; then
    check_event
    event_sql=$(name_literal EVENT_INVALID 'event name' "$event") || exit
  fi
  [ -z "$dedupe" ] || dedupe_sql=$(name_literal DEDUPE_INVALID 'dedupe key' "$dedupe") || exit
  payload_sql=$(payload_literal) || exit
  # In other locales the ranges of patterns hold more characters than they name.
  LC_ALL=C tab=$(printf '\t')
  find_paths
  store_event
  # The event is stored, and readers find it by themselves a moment later: no reason to fail.
  { [ "${answer%%[!a-z]*}" = known ] && [ -z "$adrift" ]; } || wake 2>/dev/null ||
    echo "SIGNAL_FAILED: \"$signal\" cannot be written; make it a regular file that this user may write." >&2
  printf '%s\n' "$id"
)

case ${0##*/} in
  file-signal.sh) file_signal "$@" ;;
esac
