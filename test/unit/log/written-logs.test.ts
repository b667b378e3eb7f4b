import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type WrittenLog, WrittenLogs } from '../../../src/log/written-logs.ts'

class Fake implements WrittenLog<Fake> {
  older: Fake | undefined = undefined
  newer: Fake | undefined = undefined
  written = false
  writtenTick = 0
  durable = true
  rests = 0
  flushes = 0
  readonly name: number

  constructor(name: number) {
    this.name = name
  }

  rest(): boolean {
    if (this.durable) this.rests++
    return this.durable
  }

  requestFlush(): void {
    this.flushes++
  }
}

const fakes = (count: number) => Array.from({ length: count }, (_, name) => new Fake(name))

test('with the budget used up, the least recently written log rests before another is written', () => {
  const logs = fakes(4)
  const line = new WrittenLogs<Fake>(3)
  for (const log of logs.slice(0, 3)) {
    assert.equal(line.room(log), undefined)
    line.wrote(log)
  }
  line.wrote(logs[0]!) // Now the second is the oldest.
  assert.equal(line.room(logs[2]!), undefined, 'one that is written already needs no room')
  assert.equal(line.size, 3)
  assert.equal(line.room(logs[3]!), undefined)
  line.wrote(logs[3]!)
  assert.deepEqual(
    logs.map(({ rests }) => rests),
    [0, 1, 0, 0],
  )
  assert.equal(line.size, 3)
})

test('where nothing is durable an append waits for a flush, and order among those that wait holds', async () => {
  const logs = fakes(4)
  const line = new WrittenLogs<Fake>(2)
  for (const log of logs.slice(0, 2)) {
    log.durable = false
    line.wrote(log)
  }
  const order: number[] = []
  const append = async (log: Fake): Promise<void> => {
    for (let room = line.room(log); room !== undefined; room = line.room(log)) await room
    order.push(log.name)
    log.durable = false
    line.wrote(log)
  }
  const both = Promise.all([append(logs[2]!), append(logs[3]!)])
  assert.ok(logs[0]!.flushes > 0 && logs[1]!.flushes > 0, 'the flushes were asked for')
  line.flushed()
  await Promise.resolve()
  assert.deepEqual(order, [], 'a flush that made none of them durable gives no room')
  logs[1]!.durable = true
  line.flushed()
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  assert.deepEqual(order, [2])
  assert.equal(logs[0]!.rests, 0, 'what is not durable keeps its descriptor')
  logs[0]!.durable = true
  line.flushed()
  await both
  assert.deepEqual(order, [2, 3])
  assert.equal(line.size, 2)
})

test('a log that goes makes room, and a larger budget too', async () => {
  const logs = fakes(4)
  const line = new WrittenLogs<Fake>(1)
  logs[0]!.durable = false
  line.wrote(logs[0]!)
  const first = line.room(logs[1]!)
  line.drop(logs[0]!)
  await first
  assert.equal(line.room(logs[1]!), undefined)
  logs[1]!.durable = false
  line.wrote(logs[1]!)
  const second = line.room(logs[2]!)
  line.capacity = 2
  await second
  assert.equal(line.room(logs[2]!), undefined)
})

test('those not written for a while rest, a slice at a time, and one that is not durable stays', () => {
  const logs = fakes(6)
  const line = new WrittenLogs<Fake>(10)
  for (const [tick, log] of logs.entries()) {
    log.writtenTick = tick
    line.wrote(log)
  }
  logs[1]!.durable = false
  assert.equal(
    line.restOlder(3, () => true),
    false,
    'after each',
  )
  assert.equal(line.size, 5)
  assert.equal(
    line.restOlder(3, () => false),
    true,
  )
  assert.deepEqual(
    logs.map(({ written }) => written),
    [false, true, false, false, true, true],
  )
  for (const log of logs) log.durable = true
  line.wrote(logs[1]!)
  assert.equal(
    line.restOlder(9, () => false),
    true,
  )
  assert.equal(line.size, 0)
})
