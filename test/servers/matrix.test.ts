import { expect } from 'chai'
import { skip } from '../support/skip.js'
import type { Expectation } from './cell.js'
import { cells } from './cells.js'
import { needsShort, type Result } from './measure-cell.js'
import { needServers, whyNotHere } from './need-servers.js'
import { writePage } from './page.js'
import { runMatrix } from './run.js'

/** Two minutes and a dozen servers: not for each `npm test`. */
const IS_ASKED_FOR = Boolean(process.env.CI) || process.env.npm_lifecycle_event === 'test:servers'

const VERBS: Record<Expectation, string> = {
  streams: 'streams',
  delays: 'delays each event',
  buffers: 'holds events back',
}

describe('the matrix of web servers', () => {
  let results: Map<string, Result>

  before(async function () {
    if (!IS_ASKED_FOR) skip(this, 'it takes two minutes; run: npm run test:servers')
    this.timeout(400_000)
    const measured = await runMatrix(
      cells.filter((cell) => whyNotHere(cell) === null),
      (line) => console.log(`      ${line}`),
    )
    results = new Map(measured.map((result) => [result.cell.name, result]))
  })

  for (const cell of cells) {
    it(`${cell.name} ${VERBS[cell.expects]}`, function () {
      needServers(this, cell)
      const result = results.get(cell.name)
      expect(result?.fault, JSON.stringify(result?.delivery)).to.equal(null)
      expect(result?.idleFault, JSON.stringify(result?.idle)).to.equal(null)
      expect(result?.pageFault).to.equal(null)
    })
    if (needsShort(cell)) {
      it(`${cell.name} delivers by short responses`, function () {
        needServers(this, cell)
        const result = results.get(cell.name)
        expect(result?.short).not.to.equal(null)
        expect(result?.shortFault, JSON.stringify(result?.short)).to.equal(null)
      })
    }
  }

  after(() => {
    // A part of the servers is no matrix: the page of a full run stays.
    if (results?.size === cells.length) writePage([...results.values()])
  })
})
