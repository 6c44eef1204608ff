import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignalError } from 'file-signal'
import { start } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { openRawDatabase } from './support/raw-database.js'
import { until } from './support/wait.js'

describe('a process that ends while its -wal is gone', () => {
  it('leaves alone what others have stored since, and puts back what only it had', async () => {
    const root = freshFolder()
    const child = start('leave-store', [root])
    await until(() => child.lines.includes('gone'), 'the loss')
    const other = JSON.stringify({ key: 'a', count: 2, options: { root } })
    expect((await start('publish', [other]).ended).code).to.equal(0)
    child.send('end')
    expect((await child.ended).code).to.equal(0)
    const raw = openRawDatabase(join(root, 'data/sse_payloads.sqlite'))
    try {
      const rows = raw.prepare('SELECT payload FROM events ORDER BY id').all() as { payload: string }[]
      expect(rows.length).to.equal(5)
      expect(rows.slice(0, 3).map(({ payload }) => payload)).to.deep.equal(['"own 0"', '"own 1"', '"own 2"'])
      expect(raw.prepare('PRAGMA integrity_check').get()).to.deep.equal({ integrity_check: 'ok' })
    } finally {
      raw.close()
    }
  })
})

describe('two instances of one process, whose SQLite knows one -wal for both', () => {
  it('let go of a lost one together, also where one of them does nothing', async () => {
    const root = freshFolder()
    const reports: string[] = []
    const onError = ({ code }: FileSignalError) => reports.push(code)
    const [busy, idle] = [createFileSignal({ root, onError }), createFileSignal({ root, onError })]
    const store = join(root, 'data/sse_payloads.sqlite')
    const ids = [(await busy.signal('a', 'one')).id, (await idle.signal('a', 'two')).id]
    for (const suffix of ['-wal', '-shm']) rmSync(store + suffix)
    ids.push((await busy.signal('a', 'three')).id, (await busy.signal('a', 'four')).id)
    await busy.close()
    ids.push((await idle.signal('a', 'five')).id)
    await idle.close()
    expect(new Set(ids).size).to.equal(5)
    expect(reports).to.include('STORE_SPLIT')
    const raw = openRawDatabase(store)
    const rows = raw.prepare('SELECT payload FROM events ORDER BY id').all() as { payload: string }[]
    raw.close()
    expect(rows.map(({ payload }) => JSON.parse(payload))).to.deep.equal([
      'one',
      'two',
      'three',
      'four',
      'five',
    ])
  })
})
