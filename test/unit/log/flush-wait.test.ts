import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Storage, StoredLog } from '../../../src/base/world.ts'
import { FlushWait } from '../../../src/log/flush-wait.ts'

class FakeStorage {
  durable: (log: StoredLog, durableOffset: number) => void = () => {}
  failed: (log: StoredLog) => void = () => {}
  onDurable(listener: (log: StoredLog, durableOffset: number) => void): void {
    this.durable = listener
  }
  onFailed(listener: (log: StoredLog) => void): void {
    this.failed = listener
  }
}

const fakeLog = (durableOffset: number) => {
  const log = {
    asked: 0,
    durableOffset: () => durableOffset,
    logEndOffset: () => 5,
    requestFlush: () => void log.asked++,
  }
  return log as typeof log & StoredLog
}

const settled = async (work: Promise<void>): Promise<boolean> => {
  let done = false
  void work.then(() => {
    done = true
  })
  await new Promise(resume => setImmediate(resume))
  return done
}

test('a log that became durable before it was asked is not waited for: its news may never come', async () => {
  const storage = new FakeStorage()
  const wait = new FlushWait(storage as unknown as Storage)
  const behind = fakeLog(3)
  const work = wait.flush([fakeLog(5), behind])
  assert.equal(await settled(work), false)
  storage.durable(behind, 5)
  assert.ok(await settled(work))
  assert.ok(await settled(wait.flush([fakeLog(5)])))
})

test('a recovered log, durable by its offsets, is waited for until its first flush is over, or fails', async () => {
  const storage = new FakeStorage()
  const wait = new FlushWait(storage as unknown as Storage)
  const [first, second] = [fakeLog(5), fakeLog(5)]
  const work = wait.flush([first, second], true)
  storage.durable(first, 5)
  assert.equal(await settled(work), false)
  storage.failed(second)
  assert.ok(await settled(work))
  assert.ok(await settled(wait.flush([second], true)), 'one that failed is not asked again')
})
