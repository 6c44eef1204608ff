import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { freePort } from '../setup/web-server.js'
import { until } from '../support/wait.js'
import { makeProject, startApp } from './app.js'
import type { Link } from './chain.js'
import { startPublisher } from './publisher.js'

/** Stops the app behind a server while an EventSource listens, publishes, and starts it again: nothing is lost. */
export async function expectDeploy(startServer: Link): Promise<void> {
  const root = makeProject()
  const port = await freePort()
  const publisher = startPublisher()
  const server = await startServer(port)
  let app = await startApp(root, port)
  const source = new EventSource(`http://127.0.0.1:${server.port}/quick/sse/deploy`)
  const got: number[] = []
  let errors = 0
  source.onmessage = ({ data }) => got.push(JSON.parse(data).i)
  source.onerror = () => {
    errors += 1
  }
  try {
    await until(async () => (await app.openStreams('deploy')) === 1, 'the stream')
    await publisher.once(root, 'deploy')
    await until(() => got.length === 1, 'the first event')
    await app.stop()
    // The first error is the cut, the second the end of the server's own answer: with a 502 there were no third.
    await until(() => errors >= 2, 'an attempt while the app is down')
    expect(source.readyState).to.equal(source.CONNECTING)
    await publisher.once(root, 'deploy')
    app = await startApp(root, port)
    await until(() => got.length === 2, 'the second event', 10_000)
    expect(got).to.deep.equal([0, 1])
  } finally {
    source.close()
    await publisher.close()
    await server.stop()
    await app.stop()
  }
}
