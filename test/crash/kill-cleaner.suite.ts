import assert from 'node:assert/strict'
import { watch } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { CompactedTopic, type WrittenRecord } from '../integration/compacted-topic.ts'

const limitMs = 60_000
// A pass over what is written below takes some seconds, and puts several segments in their place.
const cleaning = { 'log.cleaner.backoff.ms': '5', 'log.cleaner.io.max.bytes.per.second': '6000000' }
/** While the test writes and reads, however long it takes for that: no pass runs that nobody watches. */
const notCleaning = { 'log.cleaner.enable': 'false' }

/** Resolves when the directory has seen `count` files come or go whose names say so. */
function untilSeen(directory: string, name: RegExp, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = 0
    const watcher = watch(directory, (_, file) => {
      if (file === null || !name.test(file) || ++seen < count) return
      clearTimeout(timer)
      watcher.close()
      resolve()
    })
    const timer = setTimeout(() => {
      watcher.close()
      reject(new Error(`${seen} of ${count} files like ${name} in ${directory}: ${limitMs} ms are over`))
    }, limitMs)
  })
}

const latest = (records: readonly WrittenRecord[]): Map<string, string | null> =>
  new Map(records.map(({ key, value }) => [key, value]))

/** Segments of keys that come again and keys that come once: each time the cleaner has much to do. */
async function writeRounds(topic: CompactedTopic, name: string): Promise<void> {
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 40; i++)
      await topic.write([
        [`key-${i}`, `${name}-${round}-${'x'.repeat(2_000)}`],
        [`once-${name}-${round}-${i}`, 'y'.repeat(6_000)],
      ])
    await topic.seal()
  }
}

/** Killed when it begins to write, when it has written one or several, and while it swaps them in. */
const moments: [name: RegExp, count: number][] = [
  [/\.cleaned/, 1],
  [/\.swap/, 1],
  [/\.cleaned/, 12],
  [/\.swap/, 9],
]

test('kill -9 while a log is compacted: every key has its latest value, whenever it comes', {
  timeout: 180_000,
}, async () => {
  const broker = await BrokerUnderTest.start(notCleaning)
  try {
    const topic = await CompactedTopic.attached(broker.dataDir!, broker)
    await topic.create({ 'min.cleanable.dirty.ratio': '0.01' })
    const directory = join(broker.dataDir!, 't-0')
    for (const [moment, [name, count]] of moments.entries()) {
      await writeRounds(topic, `${moment}`)
      await broker.kill9()
      // Watched from before the pass begins, so that none of it goes by unseen.
      const seen = untilSeen(directory, name, count)
      await Promise.all([broker.startAgain(cleaning), seen])
      await broker.kill9()
      await broker.startAgain(notCleaning)
      await topic.connect(broker)
      const found = await topic.read()
      assert.deepEqual(latest(found), latest(topic.written), `after ${count} × ${name}`)
      const all = new Map(topic.written.map(record => [record.offset, record]))
      for (const record of found) assert.deepEqual(record, all.get(record.offset), 'nothing is invented or moved')
    }
    await writeRounds(topic, 'last')
    await broker.kill9()
    await broker.startAgain(cleaning)
    const line = await broker.log!.until(each => each.includes('"compacted"'), limitMs)
    const { to } = JSON.parse(line) as { to: number }
    await topic.connect(broker)
    assert.deepEqual(await topic.read(), topic.expected(to))
    await broker.stop()
    assert.deepEqual(
      (await readdir(directory)).filter(file => /cleaned|swap/.test(file)),
      [],
    )
  } finally {
    await broker.destroy()
  }
})
