import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { startExample } from './setup/example.js'
import { needProgram } from './setup/program.js'
import { ahead } from './support/ahead.js'
import { run, start } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { createShop } from './support/shop.js'
import { stream } from './support/sse.js'
import { calm, until } from './support/wait.js'

/** A transaction that waits for ten seconds. */
const refused = ahead(() => ({ outcome: run('transact-busy', [freshFolder()]) }))

describe('transactions over the lives of processes', () => {
  it('leave as many events as rows, whenever their process is killed', async () => {
    const shop = createShop()
    await shop.events().stats()
    const other = shop.open()
    const rows = (table: string) =>
      (other.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n
    for (let i = 0; i < 4; i += 1) {
      const known = rows('orders')
      const child = start('transact', [shop.root])
      await until(() => rows('orders') > known + 20, 'some transactions')
      await pause(i * 3.7)
      await child.stop('SIGKILL')
      expect(rows('file_signal_events')).to.equal(rows('orders'))
    }
    await shop.close()
  })

  it('are done in a shell as docs/transactions.md says, all or nothing', async function () {
    needProgram(this, 'sqlite3', 'sqlite3')
    const page = readFileSync(new URL('../docs/transactions.md', import.meta.url), 'utf8')
    const [, text = ''] = /^```sh\n([\s\S]*?)^```/m.exec(page) ?? []
    const script = text.replace('data/shop.sqlite', 'shop.sqlite')
    const shop = createShop()
    const events = shop.events({ poll: '1h' })
    const heard: unknown[] = []
    const subscriber = events.subscribe('orders')
    const listening = (async () => {
      for await (const event of subscriber) heard.push(event.payload)
    })()
    const sh = () => spawnSync('sh', ['-ec', script], { cwd: shop.root, encoding: 'utf8' })
    await calm(async () => JSON.stringify((await events.stats()).streams))
    expect(sh()).to.include({ stderr: '', status: 0 })
    await until(() => heard.length > 0, 'the order', 1500)
    expect(heard).to.deep.equal([{ id: 1 }])
    shop.db.exec("CREATE TRIGGER no BEFORE INSERT ON file_signal_events BEGIN SELECT raise(ABORT, 'no'); END")
    expect(sh().status).to.not.equal(0)
    expect(shop.orders()).to.equal(1)
    await subscriber.return()
    await listening
    await shop.close()
  })

  it('show, in the example, each order that was stored, and none that failed', async () => {
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

  it('reject with STORE_BUSY after ten seconds, and the function never ran', async () => {
    const { code, stdout } = await refused()
    expect(JSON.parse(stdout)).to.deep.equal({ code: 'STORE_BUSY', ran: false })
    expect(code).to.equal(0)
  })
})
