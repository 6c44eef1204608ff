import { expect } from 'chai'
import { createFileSignal } from 'file-signal'
import { fixtureOf, interpreterOf, LANGUAGES, runProgram } from './setup/publishers.js'
import { freshFolder } from './support/folder.js'

type Value = string | null | { blob: string }
type Row = readonly [key: Value, event: Value, payload: Value]

const REFUSED: readonly [what: string, row: Row][] = [
  ['an empty key', ['', null, '1']],
  ['a key of 201 characters', ['x'.repeat(201), null, '1']],
  ['a key of 201 emoji', ['😀'.repeat(201), null, '1']],
  ['a key with a line feed', ['a\nb', null, '1']],
  ['a key with a carriage return', ['a\rb', null, '1']],
  ['a key with NUL', ['a\0b', null, '1']],
  ['a key with DEL', ['a\x7fb', null, '1']],
  ['a key with the control character U+0085', ['a\u0085b', null, '1']],
  ['a key that is a blob', [{ blob: 'a' }, null, '1']],
  ['no key', [null, null, '1']],
  ['an empty event name', ['a', '', '1']],
  ['an event name of 201 characters', ['a', 'x'.repeat(201), '1']],
  ['an event name with a line feed', ['a', 'x\ndata: forged', '1']],
  ['an event name with NUL', ['a', 'x\0y', '1']],
  ['an event name that is a blob', ['a', { blob: 'x' }, '1']],
  ...['open', 'error', 'ready', 'reset', 'end', 'hello'].map((name): [string, Row] => [
    `the reserved event name ${name}`,
    ['a', name, '1'],
  ]),
  ['no payload', ['a', null, null]],
  ['an empty payload', ['a', null, '']],
  ['a payload with NUL', ['a', null, '"\0"']],
  ['a payload that is a blob', ['a', null, { blob: '1' }]],
  ['a payload of 1 MiB and a byte', ['a', null, 'x'.repeat(1024 * 1024 + 1)]],
  ['a payload of 1 MiB and more in bytes only', ['a', null, '€'.repeat(350_000)]],
]

const TAKEN: readonly [what: string, row: Row][] = [
  ['a key of 200 emoji', ['😀'.repeat(200), 'é'.repeat(200), '"e\u0301"']],
  ['a payload of exactly 1 MiB', ['a', null, `"${'x'.repeat(1024 * 1024 - 2)}"`]],
  ['quotes and what looks like SQL', [`a'); DROP TABLE events; --`, `it's`, `"'"`]],
]

describe('the store’s own constraints, whoever writes', () => {
  for (const language of LANGUAGES) {
    it(`refuse from ${language.name} what a stream could not send, and take the rest`, async function () {
      const interpreter = interpreterOf(this, language)
      const events = createFileSignal({ root: freshFolder() })
      const { place } = (await events.stats()).store
      const rows = [...REFUSED, ...TAKEN].map(([, row]) => row)
      const isShell = language.ending === 'sh'
      const input = isShell ? rows.map(toLiterals).join('\n').concat('\n') : JSON.stringify(rows)
      const { stdout, stderr } = await runProgram(
        interpreter,
        [fixtureOf(language, 'raw'), place as string],
        {
          input,
        },
      )
      expect(stderr).to.equal('')
      const results = (isShell ? stdout.trim().split('\n') : JSON.parse(stdout)) as string[]
      expect(results).to.have.length(rows.length)
      for (const [i, [what]] of REFUSED.entries()) expect(results[i], what).to.match(/constraint failed/)
      for (const [i, [what]] of TAKEN.entries()) expect(results[REFUSED.length + i], what).to.equal('stored')
      expect((await events.stats()).store.rows).to.equal(TAKEN.length)
      await events.close()
    })
  }
})

/** The row as SQL, for a tool that binds nothing. */
function toLiterals(row: Row): string {
  return row.map(toLiteral).join(', ')
}

function toLiteral(value: Value): string {
  if (value === null) return 'NULL'
  const hex = `x'${Buffer.from(typeof value === 'string' ? value : value.blob).toString('hex')}'`
  return typeof value === 'string' ? `CAST(${hex} AS TEXT)` : hex
}
