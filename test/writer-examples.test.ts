import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { type RunningExample, startExample } from './setup/example.js'
import { until } from './support/wait.js'

/** A page's view of a text that is being written. */
interface View {
  text: string
  reason: string | null
  done: boolean
  close(): void
}

describe('the examples of writers', () => {
  let example: RunningExample
  let views: View[]

  beforeEach(() => {
    views = []
  })

  afterEach(async () => {
    for (const one of views) one.close()
    expect(await example.stop()).to.equal(0)
  })

  function view(path: string): View {
    const source = new EventSource(`${example.address}${path}`)
    const own: View = { text: '', reason: null, done: false, close: () => source.close() }
    source.addEventListener('end', ({ data }) => {
      own.reason = JSON.parse(data).reason
    })
    source.onmessage = ({ data }) => {
      if (data === '[DONE]') own.done = true
      else own.text += JSON.parse(data)
      if (own.done) source.close()
    }
    views.push(own)
    return own
  }

  async function post(path: string): Promise<{ id: string }> {
    const headers = { Connection: 'close' }
    const answer = await fetch(`${example.address}${path}`, { method: 'POST', headers })
    return answer.status === 204 ? { id: '' } : ((await answer.json()) as { id: string })
  }

  const over = (...those: View[]) => until(() => those.every(({ done }) => done), 'the end', 10_000)

  it('answer: two viewers and one that reloads have the same text, and a reader may stop it', async () => {
    example = await startExample('answer')
    const { id } = await post('answer')
    const [first, second] = [view(`answer.sse?id=${id}`), view(`answer.sse?id=${id}`)]
    await until(() => first.text.length > 40, 'some words')
    second.close()
    const reloaded = view(`answer.sse?id=${id}`)
    await until(() => reloaded.text.length > 80, 'more words')
    await post(`stop?id=${id}`)
    await over(first, reloaded)
    expect(first.text).to.match(/^Each word of this answer/)
    expect(reloaded.text).to.equal(first.text)
    expect([first.reason, reloaded.reason]).to.deep.equal(Array(2).fill('stopped by a reader'))
  })

  it('answer: who reads is told when its writer crashes', async () => {
    example = await startExample('answer')
    const { id } = await post('answer')
    const reader = view(`answer.sse?id=${id}`)
    await until(() => reader.text.length > 20, 'some words')
    await post(`crash?id=${id}`)
    await over(reader)
    expect(reader.reason).to.equal('lost')
  })

  it('answer: takes its writers along when it ends, and who reads is told by the next process', async () => {
    example = await startExample('answer')
    const { id } = await post('answer')
    const reader = view(`answer.sse?id=${id}`)
    await until(() => reader.text.length > 20, 'some words')
    expect(await example.stop()).to.equal(0)
    reader.close()
    example = await startExample('answer', { FILE_SIGNAL_ROOT: example.root })
    const next = view(`answer.sse?id=${id}`)
    await over(next)
    expect(next.reason).to.equal('aborted')
    expect(next.text.startsWith(reader.text)).to.equal(true)
  })

  it('build-log: brings the output as it came, and says whether the build has passed', async () => {
    example = await startExample('build-log')
    const { id } = await post('build')
    const passing = view(`build/${id}.sse`)
    await over(passing)
    expect(passing.text).to.match(/^1\/5 fetch dependencies … ✔\n[\s\S]*5\/5 pack … ✔\n$/)
    expect(passing.reason).to.equal(null)
    const next = await post('build?fail=1')
    const failing = view(`build/${next.id}.sse`)
    await over(failing)
    expect(failing.text).to.match(/check types … ✖\nType “number”/)
    expect(failing.reason).to.equal('failed')
  })
})
