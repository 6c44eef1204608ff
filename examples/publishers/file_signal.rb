#!/usr/bin/env ruby
# frozen_string_literal: true

# Publishes events for file-signal from Ruby 2.5 or later with the gem sqlite3. Copy this one file.
#
#     require_relative 'file_signal'
#     FileSignal.signal('orders', { id: 7, total: 12.5 })
#
#     ruby file_signal.rb orders '{"id":7}' --event created --root /home/me/app
#
# The root is the folder of the Node app's package.json: the argument, or FILE_SIGNAL_ROOT. The store must exist;
# file-signal makes it. What happens here and why: docs/protocol.md.

require 'json'
require 'securerandom'
require 'sqlite3'

module FileSignal
  APPLICATION_ID = 0x46536967
  RESERVED = %w[open error ready reset end hello].freeze
  # How often an event is stored anew where the store's files were replaced meanwhile.
  TRIES = 3
  BAD_INPUT = %w[KEY_INVALID EVENT_INVALID DEDUPE_INVALID PAYLOAD_INVALID PAYLOAD_TOO_LARGE].freeze
  CONTROL = /[\u0000-\u001f\u007f-\u009f]/.freeze
  HINT = /\A[ \t]*(?:([0-9a-z]{4,32})-(0|[1-9][0-9]{0,15})|([0-9]{1,16}))(?![^\s\0])/n.freeze
  # Numbers that are skipped where some may have been given out unseen.
  GAP = 1_000_000
  # A bare number that is further ahead is no row number, but a time stamp or the like.
  FURTHEST_BARE_HINT = 1_000_000_000
  FURTHEST = 9_007_199_254_740_991 - 1000 * GAP
  # Characters of an epoch that a store keeps for life: they tell its epochs from another store's.
  FAMILY = 4
  MOST_STRANGERS = 8
  MEND = 'let file-signal make them again, in the folder of the Node app: npx file-signal stats; nothing was stored'
  CLEAR = 'let file-signal clear it, in the folder of the Node app: npx file-signal stats; nothing was stored'
  POINT_ELSEWHERE = "point FILE_SIGNAL_ROOT or FILE_SIGNAL_DATABASE at the Node app's"

  # `code` is a word such as STORE_BUSY, and begins the message.
  class Error < StandardError
    attr_reader :code

    def initialize(code, what, remedy)
      super("#{code}: #{what}; #{remedy}.")
      @code = code
    end
  end

  module_function

  # Stores one event and wakes those who wait for it. Returns its id, <epoch>-<n>.
  #
  # `payload` is anything that JSON can hold, `event` its SSE event name; `dedupe` stores one event however often
  # this is called; `wait` is how many seconds to wait for a busy store. Raises FileSignal::Error; nothing is
  # stored then, but for the code STORE_UNCERTAIN.
  def signal(key, payload = nil, event: nil, dedupe: nil, root: nil, wait: 5)
    row = [check_name('KEY_INVALID', 'key', key), check_event(event), encode(payload)]
    dedupe = check_name('DEDUPE_INVALID', 'dedupe key', dedupe) unless dedupe.nil?
    store, file = paths(root)
    id, stored = insert(store, file, row, dedupe, wait)
    begin
      wake(file, store, id) if stored
    rescue SystemCallError => e
      # The event is stored, and readers find it by themselves a moment later: no reason to fail.
      warn "SIGNAL_FAILED: \"#{file}\" cannot be written (#{e.message}); " \
           'make it a regular file that this user may write.'
    end
    id
  end

  def check_name(code, what, name)
    # A string in another encoding would be stored as a blob.
    text = name.dup.force_encoding('UTF-8') if name.is_a?(String) && name.encoding == Encoding::BINARY
    text ||= name.is_a?(String) ? name.encode('UTF-8') : name
    if text.is_a?(String) && text.valid_encoding? && text.length.between?(1, 200) && text !~ CONTROL
      return text
    end

    raise EncodingError
  rescue EncodingError
    shown = name.inspect
    shown = "#{shown[0, 60]}..." if shown.length > 60
    raise Error.new(code, "#{what} #{shown} is not allowed", 'use 1 to 200 characters without control characters')
  end

  def check_event(event)
    return nil if event.nil?

    event = check_name('EVENT_INVALID', 'event name', event)
    return event unless RESERVED.include?(event)

    raise Error.new('EVENT_INVALID', "event name \"#{event}\" is reserved", 'use another')
  end

  def encode(payload)
    json = JSON.generate(payload)
    # Old versions of the gem let broken text pass.
    raise JSON::GeneratorError, 'text that is not UTF-8' unless json.encode('UTF-8').valid_encoding?
    return json if json.bytesize <= 1_048_576

    raise Error.new('PAYLOAD_TOO_LARGE', "the payload is #{json.bytesize} bytes as JSON, the limit is 1048576",
                    'send an id and let the browser fetch the rest')
  rescue JSON::JSONError, EncodingError => e
    raise Error.new('PAYLOAD_INVALID', "the payload has no JSON form (#{e.message[0, 200]})",
                    'pass what JSON.generate keeps whole')
  end

  # The store and its signal file. Nothing depends on the working directory: cron starts in $HOME.
  def paths(root)
    root = root || given('FILE_SIGNAL_ROOT') || ''
    database = given('FILE_SIGNAL_DATABASE') || 'data/sse_payloads.sqlite'
    directory = given('FILE_SIGNAL_DIR') || 'tmp/sse_signals'
    unless database.start_with?('/') && directory.start_with?('/')
      unless File.directory?(root)
        raise Error.new('ROOT_UNKNOWN', "the root is \"#{root}\", which is no folder",
                        "set FILE_SIGNAL_ROOT to the folder of the Node app's package.json")
      end
      root = File.realpath(root)
    end
    stem = File.basename(database, '.*')
    stem = { 'events' => 'events-store' }.fetch(stem, stem)
    stem = 'events' if File.basename(database) == 'sse_payloads.sqlite'
    [File.absolute_path(database, root), File.join(File.absolute_path(directory, root), "#{stem}.signal")]
  end

  # A shell that reads a .env with Windows line ends leaves a carriage return at the end of each value.
  def given(name)
    value = ENV[name].to_s.sub(/\r+\z/, '')
    value unless value.empty?
  end

  # Returns the event's id, and whether it was stored just now.
  #
  # Somebody may delete or replace the files while this waits for the lock. SQLite commits to them without an error
  # then, and nobody else reads them: all is done anew.
  def insert(store, file, row, dedupe, wait)
    adrift = []
    TRIES.times do
      result, committed = attempt(store, file, row, dedupe, wait, adrift)
      return result if result

      adrift << committed if committed
    rescue Error
      raise if adrift.empty?

      raise uncertain(store)
    end
    raise uncertain(store) unless adrift.empty?

    raise Error.new('STORE_FAILED', "\"#{store}\": its files were replaced again and again",
                    'find what touches them; nothing was stored, so signal again')
  end

  # Returns id and whether it was stored just now, or nil where the files are others than those that were open; and
  # number and time of the row that was committed to them. `adrift` has those of earlier attempts.
  def attempt(store, file, row, dedupe, wait, adrift)
    check_files(store)
    files = committed = nil
    main = identity(store)
    db = SQLite3::Database.new(store, readwrite: true)
    db.busy_timeout((wait * 1000).round)
    mode = db.get_first_value('PRAGMA journal_mode')
    # What was read has opened them all. SQLite itself replaces none while a connection is open.
    files = identities(store)
    return [nil, nil] if files[0] != main || (mode == 'wal' && files.include?(nil))

    boot = boot_id
    db.execute('PRAGMA synchronous = NORMAL') if boot && mode == 'wal'
    db.execute('BEGIN IMMEDIATE')
    return [nil, nil] if identities(store) != files

    check_store(db, store)
    skip_numbers(db, boot)
    epoch = continued_epoch(db, store, file)
    n = find_adrift(db, store, row, adrift)
    n, stored = n ? [n, true] : insert_row(db, row, dedupe)
    committed = [n, db.get_first_value('SELECT created_at FROM events WHERE id = ?', [n])] if stored
    db.execute('COMMIT')
    return [nil, committed] if identities(store) != files

    [["#{epoch}-#{n}", stored || !adrift.empty?], nil]
  rescue SQLite3::Exception => e
    return [nil, committed] if files && identities(store) != files

    raise fault(e, store)
  ensure
    close(db)
  end

  # Where side files were deleted and no other process has the store open, SQLite copies from what it has open into
  # the store: what others committed meanwhile may be lost with it.
  def close(db)
    # It cannot be closed in the middle of a transaction where statements are open.
    db.rollback if db&.transaction_active?
  rescue SQLite3::Exception
    nil
  ensure
    db&.close
  end

  # Looked at, never opened: closing a descriptor of a file drops SQLite's locks on it.
  def identities(store)
    ['', '-wal', '-shm'].map { |suffix| identity("#{store}#{suffix}") }
  end

  def identity(path)
    found = File.lstat(path)
    [found.dev, found.ino]
  rescue SystemCallError
    nil
  end

  # Number of a row that an earlier attempt has committed, where it is in the store after all.
  def find_adrift(db, store, row, adrift)
    adrift.each do |n, created_at|
      same = 'SELECT 1 FROM events WHERE id = ? AND key = ? AND payload = ? AND created_at = ?'
      return n if db.get_first_value(same, [n, row[0], row[2], created_at])
      # It, or another by its number: a mailbox deletes what was delivered.
      raise uncertain(store) if db.get_first_value('SELECT 1 FROM pruned WHERE key = ? AND n >= ?', [row[0], n])
    end
    nil
  end

  def uncertain(store)
    Error.new('STORE_UNCERTAIN', "\"#{store}\": its files were replaced while the event was stored",
              'stored or not is not known: signal again, with dedupe where it must not be there twice')
  end

  def check_files(store)
    [store, "#{store}-wal", "#{store}-shm"].each do |file|
      next if File.lstat(file).file?

      raise Error.new('PATH_UNSAFE', "\"#{file}\" is a link or no regular file", 'remove what stands there')
    rescue SystemCallError => e
      next unless file == store

      raise Error.new('STORE_MISSING', "no store at \"#{store}\" (#{e.message})",
                      'let file-signal make it, in the folder of the Node app: npx file-signal stats')
    end
    return unless foreign_wal?(store)

    raise Error.new('STORE_FAILED', "\"#{store}-wal\" belongs to another file than stands there", CLEAR)
  end

  # SQLite would replay what a killed process left of one file into another that was put in its place since.
  def foreign_wal?(store)
    note = File.open("#{store}-owner", File::RDONLY | File::NOFOLLOW | File::NONBLOCK) { |file| file.read(96) }
    owner, owned = note.to_s.split
    main = File.lstat(store)
    wal = File.lstat("#{store}-wal")
    owner.to_i != main.ino && owned.to_i == wal.ino && wal.size.positive? && wal.mtime < main.ctime
  rescue SystemCallError
    false
  end

  def check_store(db, store)
    if db.get_first_value('PRAGMA application_id') != APPLICATION_ID
      raise Error.new('STORE_FOREIGN', "\"#{store}\" is no store of file-signal", POINT_ELSEWHERE)
    end

    version = db.get_first_value('PRAGMA user_version')
    return if version == 1

    raise Error.new('STORE_NEWER', "\"#{store}\" has schema #{version}, this file knows 1",
                    'copy the file anew from your version of file-signal')
  end

  # A power cut may have rolled back rows that browsers have seen: their numbers must not come again.
  def skip_numbers(db, boot)
    known = db.get_first_value("SELECT value FROM meta WHERE name = 'boot'")
    return unless boot && known && known != boot

    db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'events'", [GAP])
    db.execute("UPDATE meta SET value = ? WHERE name = 'boot'", [boot])
  end

  # The epoch of the next row: a new one where a row was signalled that the store does not have (any more).
  def continued_epoch(db, store, file)
    seq, epoch = db.get_first_row("SELECT seq, epoch FROM standing, sqlite_sequence WHERE name = 'events'")
    if epoch.to_s.empty?
      raise Error.new('STORE_FAILED', "\"#{store}\" lacks the rows that it keeps about itself", MEND)
    end

    own = epoch[0, FAMILY]
    # Signals follow commits, so while nobody else may write none can be ahead of a store that has lost nothing.
    family, n = newest(file)
    return epoch unless ahead?(family, n, seq)

    strangers = db.get_first_value("SELECT value FROM meta WHERE name = 'strangers'").to_s.split
    # Another store's signal may mean that this one was put in its place. Believed once: two may share a file.
    return epoch if strangers.include?(family)

    unless ['', own].include?(family)
      db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('strangers', ?)",
                 [(strangers + [family]).last(MOST_STRANGERS).join(' ')])
    end
    renew(db, own, n)
  end

  # A new epoch, which begins above every number that may have been given out: numbers never go back.
  def renew(db, own, above)
    epoch = own + Array.new(FAMILY) { SecureRandom.random_number(36).to_s(36) }.join
    db.execute('UPDATE sqlite_sequence SET seq = ? + max(seq, ?, coalesce((SELECT max(id) FROM events), 0), ' \
               'coalesce((SELECT max(n) FROM pruned), 0), (SELECT max(floor, marked) FROM standing)) ' \
               "WHERE name = 'events'", [GAP, above])
    db.execute('UPDATE standing SET epoch = ?, ' \
               "start = (SELECT seq FROM sqlite_sequence WHERE name = 'events')", [epoch])
    epoch
  end

  # Returns the row's number, and whether it was stored just now.
  def insert_row(db, row, dedupe)
    first = dedupe && db.get_first_value('SELECT n FROM dedupes WHERE key = ? AND dedupe = ?', [row[0], dedupe])
    return [first, false] if first

    db.execute('INSERT INTO events (key, event, payload) VALUES (?, ?, ?)', row)
    n = db.last_insert_row_id
    db.execute('INSERT INTO dedupes (n, key, dedupe) VALUES (?, ?, ?)', [n, row[0], dedupe]) if dedupe
    [n, true]
  end

  # Names this run of the machine; nil where the system has no such thing.
  def boot_id
    File.read('/proc/sys/kernel/random/boot_id').strip
  rescue SystemCallError
    nil
  end

  def fault(error, store)
    what = "\"#{store}\": #{error.message}"
    case error
    when SQLite3::BusyException, SQLite3::LockedException
      Error.new('STORE_BUSY', what, 'end the program that keeps a transaction open on the store; ' \
                                    'nothing was stored, so signal again')
    when SQLite3::ReadOnlyException, SQLite3::CantOpenException, SQLite3::PermissionException
      Error.new('STORE_UNWRITABLE', what, 'run this as the user of the Node app, or give both one group')
    when SQLite3::FullException
      Error.new('STORE_FULL', what, 'free some space; nothing was stored, so signal again')
    when SQLite3::NotADatabaseException
      Error.new('STORE_FOREIGN', what, POINT_ELSEWHERE)
    else
      remedy = error.message.include?('no such table') ? MEND : 'the event was not stored'
      Error.new('STORE_FAILED', what, remedy)
    end
  end

  # Family and number of the row that the signal file names: '' for a bare number, 0 where there is none.
  def newest(path)
    text = File.open(path, File::RDONLY | File::NOFOLLOW | File::NONBLOCK) do |file|
      return ['', 0] unless file.stat.file?

      # Until two reads agree: one that overlaps a write could show digits of both.
      Array.new(6) { file.pread(64, 0) }.each_cons(2).find { |one, other| one == other }&.first
    end
    match = HINT.match(text.to_s)
    match ? [match[1].to_s[0, FAMILY].encode('UTF-8'), (match[2] || match[3]).to_i] : ['', 0]
  rescue SystemCallError, EOFError
    ['', 0]
  end

  def ahead?(family, n, head)
    head < n && n <= FURTHEST && (family != '' || n - head <= FURTHEST_BARE_HINT)
  end

  # Writes the id in place, so that whoever watches the file wakes; the file must be a regular one and no link.
  def wake(path, store, id)
    raise Errno::ELOOP, 'its folder is a link' if File.symlink?(File.dirname(path))
    # Without its folder nobody watches: whoever begins to makes both.
    return unless File.directory?(File.dirname(path))

    # Whoever committed later has woken all, and a lower number would hide what was given out.
    family, n = newest(path)
    return if ['', id[0, FAMILY]].include?(family) && ahead?(family, n, id.split('-')[1].to_i)

    create(path, store) unless File.exist?(path) || File.symlink?(path)
    File.open(path, File::WRONLY | File::NOFOLLOW | File::NONBLOCK) do |file|
      raise Errno::EINVAL, 'no regular file' unless file.stat.file?

      file.syswrite("#{id.ljust(47)}\n")
    end
  end

  # With the rights of the store, so that whoever may read that may also read and write this.
  def create(path, store)
    like = File.stat(store)
    File.open(path, File::WRONLY | File::CREAT | File::EXCL | File::NOFOLLOW, 0o600) do |file|
      file.chown(Process.euid.zero? ? like.uid : nil, like.gid)
      file.chmod(like.mode & 0o666)
    rescue SystemCallError
      File.unlink(path)
      raise
    end
  rescue Errno::EEXIST
    nil
  end

  # `ruby file_signal.rb KEY [JSON|-]`: prints the id. Exit codes: 0 stored, 1 failed, 2 bad input, 3 busy.
  def main(words)
    given, options = read_words(words)
    unless given
      warn 'usage: ruby file_signal.rb KEY [JSON|-] [--event NAME] [--dedupe ID] [--root FOLDER]'
      return 2
    end
    puts signal(given[0], parse(given.fetch(1, 'null')), **options)
    0
  rescue Error => e
    warn e.message
    return 2 if BAD_INPUT.include?(e.code)

    e.code == 'STORE_BUSY' ? 3 : 1
  end

  def read_words(words)
    given = []
    options = {}
    until words.empty?
      word = words.shift
      next given << word unless word.start_with?('--')

      name, value = word.delete_prefix('--').split('=', 2)
      value ||= words.shift
      return nil unless %w[event dedupe root].include?(name) && value

      options[name.to_sym] = value
    end
    [given, options] if given.length.between?(1, 2)
  end

  def parse(text)
    text = $stdin.read if text == '-'
    JSON.parse(text.dup.force_encoding('UTF-8'))
  rescue JSON::ParserError, EncodingError => e
    raise Error.new('PAYLOAD_INVALID', "the payload is not JSON (#{e.message[0, 200]})",
                    'write JSON, with text in double quotes: \'"hello"\'')
  end
end

exit FileSignal.main(ARGV.dup) if $PROGRAM_NAME == __FILE__
