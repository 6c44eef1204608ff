import { expect } from 'chai'
import { type RunningExample, startExample } from './setup/example.js'
import { type Client, connect, stream } from './support/sse.js'
import { until } from './support/wait.js'

describe('the example of a job with an end', () => {
  let example: RunningExample
  let clients: Client[]

  beforeEach(async () => {
    clients = []
    example = await startExample('ending')
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    expect(await example.stop()).to.equal(0)
  })

  async function open(headers: Record<string, string> = {}): Promise<Client> {
    const client = await stream(`${example.address}job.sse`, { headers })
    clients.push(client)
    return client
  }

  const start = async () => {
    const headers = { Connection: 'close' }
    return (await fetch(`${example.address}job`, { method: 'POST', headers })).status
  }

  const steps = (client: Client) => client.payloads().map((payload) => (payload as { step: number }).step)

  it('brings every step and [DONE], then the last step and [DONE], then 204, and is open again', async () => {
    const first = await open()
    expect(await start()).to.equal(202)
    expect(await start()).to.equal(409)
    await until(() => first.ended, 'the end')
    expect(steps(first)).to.deep.equal([1, 2, 3, 4, 5])
    expect(first.isDone()).to.equal(true)

    const late = await open()
    await until(() => late.ended, 'the end for who comes late')
    expect([steps(late), late.isDone()]).to.deep.equal([[5], true])

    const over = await connect(`${example.address}job.sse`, {
      headers: { 'Last-Event-ID': first.lastId() ?? '' },
    })
    expect(over.status).to.equal(204)

    expect(await start()).to.equal(202)
    const again = await open({ 'Last-Event-ID': first.lastId() ?? '' })
    await until(() => again.ended, 'the end of the next job')
    expect([steps(again), again.isDone()]).to.deep.equal([[1, 2, 3, 4, 5], true])
  })

  it('tells who waits that the job was stopped, through the process that comes next', async () => {
    const client = await open()
    await start()
    await until(() => steps(client).length > 0, 'a step')
    expect(await example.stop()).to.equal(0)
    await until(() => client.ended, 'the end of the process')
    example = await startExample('ending', { FILE_SIGNAL_ROOT: example.root })
    const back = await open({ 'Last-Event-ID': client.lastId() ?? '' })
    await until(() => back.ended, 'the end')
    const ends = [...client.ofType('end'), ...back.ofType('end')]
    expect(ends.map(({ data }) => data)).to.deep.equal(['{"reason":"stopped"}'])
    expect(back.isDone()).to.equal(true)
  })
})
