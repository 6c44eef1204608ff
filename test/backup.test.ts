import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createIncident, type Incident } from './support/incident.js'
import { openRawDatabase } from './support/raw-database.js'
import { skip } from './support/skip.js'
import { until } from './support/wait.js'

const HERE = fileURLToPath(new URL('../', import.meta.url))
const PAGE = readFileSync(join(HERE, 'docs/backup.md'), 'utf8')
/** The page's blocks, in their order. */
const BLOCKS = [...PAGE.matchAll(/```(sh|js)\n([\s\S]*?)```/g)].map(([, language, text]) => ({
  language: language as string,
  text: text as string,
}))
const FILES = ['backup.sqlite', 'small.sqlite', 'copy.sqlite', 'moving.sqlite']

describe('docs/backup.md', () => {
  let incident: Incident

  before(function () {
    try {
      execFileSync('sqlite3', ['--version'], { stdio: 'ignore' })
    } catch {
      skip(this, 'no sqlite3 here: apt-get install sqlite3')
    }
  })

  beforeEach(async () => {
    incident = await createIncident()
  })

  afterEach(() => incident.close())

  function run({ language, text }: { language: string; text: string }): void {
    const options = { cwd: incident.root, stdio: 'pipe' as const }
    if (language === 'sh') execFileSync('sh', ['-ec', text], options)
    else {
      if (!existsSync(join(incident.root, 'node_modules'))) {
        symlinkSync(join(HERE, 'node_modules'), join(incident.root, 'node_modules'))
      }
      writeFileSync(join(incident.root, 'backup.mjs'), text)
      execFileSync(process.execPath, ['backup.mjs'], options)
    }
  }

  it('shows commands that all work beside living processes, with one reset for each restore', async () => {
    const worker = await incident.worker()
    await worker.publish('w')
    await incident.publish('a', 'b')
    let resets = 0
    for (const [i, block] of BLOCKS.entries()) {
      run(block)
      if (block.text.includes('restore')) resets += 1
      await (i % 2 === 0 ? worker.publish(`w${i}`) : incident.publish(`a${i}`))
      await (i % 2 === 0 ? incident.publish(`a${i}`) : worker.publish(`w${i}`))
      for (const payload of [`a${i}`, `w${i}`]) await incident.heard(payload)
      await until(() => incident.client.ofType('reset').length === resets, `${resets} resets`)
    }
    expect(resets).to.equal(3)
    const ids = [...incident.acknowledged.values()]
    expect(new Set(ids).size).to.equal(ids.length)
    expect(incident.shell('PRAGMA integrity_check')).to.equal('ok')
    for (const name of FILES) {
      const copy = openRawDatabase(join(incident.root, name))
      expect(copy.prepare('PRAGMA integrity_check').get()).to.deep.equal({ integrity_check: 'ok' })
      const { rows } = copy.prepare('SELECT count(*) AS rows FROM events').get() as { rows: number }
      expect(rows, name).to.be.above(2)
      copy.close()
    }
    expect(new Set(incident.reports)).to.deep.equal(new Set(['STORE_RESTORED']))
    expect(incident.reports.length).to.be.within(1, resets)
  })
})
