import { expect } from 'chai'
import { startExample } from './setup/example.js'
import { stream } from './support/sse.js'
import { until } from './support/wait.js'

describe('the example of transactions', () => {
  it('shows each order that was stored, and none that failed', async () => {
    const example = await startExample('transaction')
    const client = await stream(`${example.address}orders.sse`)
    const order = (query: string) => fetch(`${example.address}orders?${query}`, { method: 'POST' })
    expect((await order('fail=yes')).status).to.equal(402)
    const answers = await Promise.all(Array.from({ length: 12 }, () => order('')))
    expect((await order('fail=')).status).to.equal(201)
    const stored = answers.filter(({ status }) => status === 201).length + 1
    await until(() => client.payloads().length === stored, 'the orders')
    const list = (await (await fetch(`${example.address}orders.json`)).json()) as unknown[]
    expect(client.payloads()).to.deep.equal(list.reverse())
    client.close()
    expect(await example.stop()).to.equal(0)
  })
})
