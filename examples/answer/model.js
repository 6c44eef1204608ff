// In the place of a language model, in a process of its own: node examples/answer/model.js KEY
import { setTimeout as sleep } from 'node:timers/promises'
import { createFileSignal } from 'file-signal'

const TEXT = `Each word of this answer is an event. It lies in the store before you see it, so reload the page, or open
it in a second window: the answer goes on where it was, and nobody misses a word, whichever web process serves it.
Should the process that writes it die, its lease runs out, and you are told instead of being left to wait.`

async function* words() {
  for (const word of TEXT.split(/(?<=\s)/)) {
    await sleep(40)
    yield word
  }
}

const events = createFileSignal()
// Readers are told at once, and not only when the lease is over.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => events.close())

try {
  // 30 s unless told; here nobody should have to wait for the news of a crash.
  await events.writer(process.argv[2], { lease: '2s' }).from(words())
} catch (error) {
  // A reader has stopped it, or this process is to end.
  if (error.code !== 'WRITER_LOST' && error.code !== 'CLOSED') throw error
}
await events.close()
