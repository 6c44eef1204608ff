import { expect } from 'chai'
import { findBlock, markersAround, renderBlock, withBlock, withoutBlock } from '../dist/cli/setup/block.js'

const BOM = '\xef\xbb\xbf'
const block = renderBlock('A=1\nB=2\n', '1.2.3')

describe('a block in a file of the user', () => {
  it('stands between markers that say whose it is, of which version, and how to take it back', () => {
    const lines = block.split('\n')
    expect(lines[0]).to.match(/^# BEGIN file-signal 1\.2\.3 sha256:[0-9a-f]{16} .*file-signal uninstall/)
    expect(lines.slice(1)).to.deep.equal(['A=1', 'B=2', '# END file-signal', ''])
  })

  const texts: [what: string, text: string][] = [
    ['nothing', ''],
    ['a BOM alone', BOM],
    ['LF', 'one\ntwo\n'],
    ['CRLF', 'one\r\ntwo\r\n'],
    ['no final newline', 'one\r\ntwo'],
    ['a BOM and CRLF', `${BOM}one\r\ntwo\r\n`],
    ['mixed line ends', 'one\r\ntwo\nthree\n'],
    ['bytes that are no UTF-8', 'caf\xe9\n'],
  ]
  for (const [what, text] of texts) {
    it(`goes into a file with ${what} and out again without a trace`, () => {
      const changed = withBlock(text, block, null)
      const found = findBlock(changed)
      expect(found).to.deep.include({ state: 'intact', body: 'A=1\nB=2\n' })
      expect(found && withoutBlock(changed, found)).to.equal(text)
    })
  }

  it('has the line ends that most lines of the file have', () => {
    expect(withBlock('one\r\ntwo\r\n', block, null).replaceAll('\r\n', '')).not.to.include('\n')
    expect(withBlock('one\r\ntwo\nthree\n', block, null)).to.include('A=1\nB=2\n')
  })

  it('comes after a BOM and before everything else, so that no panel’s markers lie around it', () => {
    const panel =
      '# DO NOT REMOVE. CLOUDLINUX PASSENGER CONFIGURATION BEGIN\nPassengerAppRoot "/a"\n# … END\n'
    expect(withBlock(BOM + panel, block, null)).to.equal(BOM + block + panel)
  })

  it('takes the place of an older one', () => {
    const older = withBlock('one\r\n', renderBlock('OLD=1\n', '0.0.1'), null)
    const moved = `above\r\n${older}below\r\n`
    expect(withBlock(moved, block, findBlock(moved))).to.equal(
      `above\r\n${block.replaceAll('\n', '\r\n')}one\r\nbelow\r\n`,
    )
  })

  it('is the same to an editor that changes all line ends, and edited after any other change', () => {
    const state = (text: string) => findBlock(text)?.state
    expect(state(block.replaceAll('\n', '\r\n'))).to.equal('intact')
    expect(state(block.replace('A=1', 'A=2'))).to.equal('edited')
    expect(state(block.replace('A=1\n', ''))).to.equal('edited')
    expect(state(block.replace('B=2\n', 'B=2\n\n'))).to.equal('edited')
    expect(state(block.replace(/sha256:\w+/, ''))).to.equal('edited')
  })

  it('is broken without one of its markers, and where it stands twice', () => {
    expect(findBlock(`x\n${block.replace('# END file-signal\n', '')}`)).to.deep.include({
      state: 'broken',
      lines: [2, 2],
    })
    expect(findBlock('# END file-signal\n')?.state).to.equal('broken')
    expect(findBlock(block + block)).to.deep.include({ state: 'broken', lines: [1, 8] })
  })

  it('is seen between the markers of a panel, or of another program', () => {
    const around = (text: string) => {
      const found = findBlock(text)
      return found && markersAround(text, found)
    }
    const panel = ['# DO NOT REMOVE. CLOUDLINUX PASSENGER CONFIGURATION BEGIN\n', '# DO NOT REMOVE. … END\n']
    expect(around(`one\n${panel.join(block)}`)).to.deep.equal([2, 7])
    expect(around(`# BEGIN WordPress\r\n${block}a\r\n# END WordPress`)).to.deep.equal([1, 7])
    for (const apart of [block, block + panel.join('a\n'), panel.join('a\n') + block]) {
      expect(around(apart)).to.equal(null)
    }
    expect(around(`${panel.join('a\n')}${block}${panel.join('a\n')}`)).to.equal(null)
  })

  it('is not found in what only speaks of it', () => {
    expect(findBlock('# file-signal was here\n# BEGIN file-signal-other\n# END WordPress\n')).to.equal(null)
  })
})
