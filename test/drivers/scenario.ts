import assert from 'node:assert/strict'
import { createFileSignal, type DriverStats } from 'file-signal'
import { freshFolder } from '../support/folder.js'
import { stream } from '../support/sse.js'
import { until } from '../support/wait.js'
import { type Numbered, startPublisher, startWeb } from '../support/web.js'

/**
 * The whole way in three processes: a web process streams, publishers publish, a browser comes back with its last
 * id. Prints the driver that the web process used as JSON, or what SQLITE_MISSING says.
 */
const root = freshFolder()
const events = createFileSignal({ root })
try {
  await events.signal('a', { i: -1, at: 0 })
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message }))
  process.exit(0)
}
const web = await startWeb({ keys: ['a'], options: { root }, stream: { replay: 'all' } })
try {
  const first = await stream(web.url)
  const live = startPublisher({ key: 'a', count: 200, options: { root }, oneByOne: true })
  await until(() => first.payloads().length === 201, 'all live events', 15_000)
  assert.equal((await live.ended).stderr, '')
  first.close()
  const missed = startPublisher({ key: 'a', count: 300, from: 200, options: { root } })
  assert.equal((await missed.ended).stderr, '')
  const second = await stream(web.url, { headers: { 'Last-Event-ID': first.lastId() as string } })
  await until(() => second.payloads().length === 300, 'the replay', 15_000)
  const seen = [...first.payloads(), ...second.payloads()].map((payload) => (payload as Numbered).i)
  assert.deepEqual(
    seen,
    Array.from({ length: 501 }, (_, i) => i - 1),
  )
  second.close()
  const { driver } = (await web.stats()).store
  console.log(JSON.stringify({ driver } satisfies { driver: DriverStats | undefined }))
} finally {
  await events.close()
  const { code, stderr } = await web.child.stop('SIGTERM')
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
}
