import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Asker } from '../../../../src/coordinator/runtime/shard.ts'
import { StatusCode } from '../../../../src/native/status.ts'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { readRecords } from '../../../../src/records/record-batch.ts'
import { Asked, commit, type RegisterShard, RuntimeUnderTest, topic } from './support.ts'

const batches = (under: RuntimeUnderTest) => under.log.content.batches.map(({ bytes }) => readRecords(bytes, 0))

test('a read of what is replayed and not committed waits until it is', async () => {
  const under = await RuntimeUnderTest.start()
  const write = under.set('a', 7)
  const read = under.get('a')
  await under.settle()
  assert.equal(under.shard.offsets.get('a'), 7, 'the shard has it')
  assert.deepEqual([write.outcome, read.outcome], ['waits', 'waits'])
  await under.flush()
  assert.deepEqual([write.outcome, read.outcome], ['a=7', '7'])
})

test('the partition of a coordinator is never written with write.caching, whatever its topic says', async () => {
  const under = await RuntimeUnderTest.start()
  under.set('a', 1)
  await under.settle()
  assert.deepEqual([under.partition.highWatermark, under.log.content.endOffset], [0, 1])
})

test('the logs that a turn wrote are flushed together', async () => {
  const under = await RuntimeUnderTest.start()
  await under.extend()
  const { storage } = under.world
  const writes = [under.set('a', 1), under.set('b', 2, 1)]
  await under.settle()
  assert.deepEqual(storage.flushedTogether, [[`/${topic}-0`, `/${topic}-1`]])
  await under.flush()
  assert.deepEqual(
    writes.map(({ outcome }) => outcome),
    ['a=1', 'b=2'],
  )
})

test('a crash between replay and commit leaves nothing that anybody was told', async () => {
  const first = await RuntimeUnderTest.start()
  first.set('a', 1)
  await first.flush()
  const write = first.set('a', 2)
  const read = first.get('a')
  await first.settle()
  assert.deepEqual([first.shard.offsets.get('a'), write.outcome, read.outcome], [2, 'waits', 'waits'])
  first.world.machine.losePower()
  const second = await RuntimeUnderTest.start({ machine: first.world.machine })
  second.runtime.loadAll()
  await second.flush()
  const again = second.get('a')
  await second.settle()
  assert.equal(again.outcome, '1')
})

test('what a killed process left in the page cache is answered only once it is durable', async () => {
  const first = await RuntimeUnderTest.start()
  first.set('a', 3)
  await first.settle()
  const second = await RuntimeUnderTest.start({ machine: first.world.machine })
  second.runtime.loadAll()
  await second.settle()
  assert.ok(second.shard.isLoaded)
  const read = second.get('a')
  await second.settle()
  assert.equal(read.outcome, 'waits')
  second.world.machine.losePower()
  const third = await RuntimeUnderTest.start({ machine: second.world.machine })
  const none = third.get('a')
  await third.settle()
  assert.deepEqual([none.outcome, read.outcome], ['none', 'waits'])
})

test('turns of one loop turn are one batch, and their answers come in their order', async () => {
  const under = await RuntimeUnderTest.start()
  const order: string[] = []
  const asks = ['a', 'b', 'c'].map((name, index) =>
    under.runtime
      .ask<string>(0, (_, turn, asker) => {
        turn.append(commit(name, index))
        turn.answer(asker, name)
      })
      .then(name => order.push(name)),
  )
  await under.settle()
  assert.deepEqual(
    batches(under).map(records => records.length),
    [3],
  )
  under.set('d', 4)
  await under.settle()
  assert.equal(batches(under).length, 2)
  await under.flush()
  await Promise.all(asks)
  assert.deepEqual(order, ['a', 'b', 'c'])
})

test('who writes alone is appended at once, and who writes among many with those of the next moment', async () => {
  const under = await RuntimeUnderTest.start({ appendLingerMs: -1 })
  await under.world.time.advance(100)
  under.set('a', 1)
  await under.settle()
  assert.equal(batches(under).length, 1)
  await under.world.time.advance(2)
  under.set('b', 1)
  await under.world.time.advance(2)
  under.set('c', 1)
  await under.settle()
  assert.equal(batches(under).length, 1)
  await under.world.time.advance(1)
  assert.deepEqual(
    batches(under).map(records => records.length),
    [1, 2],
  )
})

test('merged turns are split where a batch would be too large, and no turn is', async () => {
  const under = await RuntimeUnderTest.start({ log: { maxMessageBytes: 400 } })
  for (let turn = 0; turn < 6; turn++)
    under.ask<string>((_, each, answer) => {
      each.append(commit(`${turn}-first`, 1), commit(`${turn}-second`, 2))
      answer('')
    })
  await under.flush()
  const split = batches(under)
  assert.ok(split.length > 1, `${split.length} batches`)
  for (const records of split) assert.equal(records.length % 2, 0)
  assert.ok(under.log.content.batches.every(({ bytes }) => bytes.length <= 400))
  assert.equal(split.flat().length, 12)
})

test('a turn tells what its topic takes', async () => {
  const under = await RuntimeUnderTest.start({ log: { maxMessageBytes: 400 } })
  const asked = under.ask<string>((_, turn, answer) =>
    answer(`${turn.fits(commit('a', 1, 'x'.repeat(200)))} ${turn.fits(commit('a', 1, 'x'.repeat(400)))}`),
  )
  await under.settle()
  assert.equal(asked.outcome, 'true false')
})

test('a failed append ends the shard: who waits is told to ask again, and reads never show what was not written', async () => {
  const under = await RuntimeUnderTest.start()
  under.set('a', 1)
  await under.flush()
  under.log.refuseAppends = StatusCode.noSpace
  const parked = under.ask(() => {})
  const write = under.set('a', 2)
  const read = under.get('a')
  await under.settle()
  assert.deepEqual(
    [parked.outcome, write.outcome, read.outcome],
    ['NOT_COORDINATOR', 'NOT_COORDINATOR', 'NOT_COORDINATOR'],
  )
  const meanwhile = under.get('a')
  await under.settle()
  assert.equal(meanwhile.outcome, 'COORDINATOR_LOAD_IN_PROGRESS')
  under.log.refuseAppends = StatusCode.ok
  await under.world.time.advance(100)
  const again = under.get('a')
  await under.settle()
  assert.equal(again.outcome, '1')
  assert.equal(under.shards.length, 2)
})

test('what earlier turns wrote is answered although a later append fails', async () => {
  const under = await RuntimeUnderTest.start()
  const first = under.set('a', 1)
  await under.settle()
  under.log.refuseAppends = StatusCode.ioError
  const second = under.set('a', 2)
  await under.settle()
  assert.deepEqual([first.outcome, second.outcome], ['waits', 'NOT_COORDINATOR'])
  await under.flush()
  assert.equal(first.outcome, 'a=1')
})

test('appends that go on failing are tried less and less often', async () => {
  const under = await RuntimeUnderTest.start()
  under.set('a', 1)
  await under.flush()
  under.log.refuseAppends = StatusCode.noSpace
  const lives: number[] = []
  for (let second = 0; second < 20; second++) {
    under.set('a', 2)
    await under.world.time.advance(1_000)
    lives.push(under.shards.length)
  }
  assert.ok(lives.at(-1)! < 10, `${lives.at(-1)} lives in 20 s`)
})

test('a shard that throws leaves no half turn, in its state or in the log', async () => {
  const under = await RuntimeUnderTest.start()
  const sound = under.set('a', 1)
  const parked = under.ask(() => {})
  const broken = under.ask<string>((_, turn) => {
    turn.append(commit('a', 2))
    throw new Error('a mistake')
  })
  await under.flush()
  assert.deepEqual([sound.outcome, broken.outcome], ['a=1', 'UNKNOWN_SERVER_ERROR'])
  assert.equal(parked.outcome, 'NOT_COORDINATOR')
  assert.ok(under.logger.has('a mistake'))
  assert.deepEqual(
    batches(under).map(records => records.length),
    [1],
  )
  await under.world.time.advance(100)
  const again = under.get('a')
  await under.settle()
  assert.equal(again.outcome, '1')
})

test('a commit that takes too long is told so, and is there when it is done at last', async () => {
  const under = await RuntimeUnderTest.start({ commitTimeoutMs: 1_000 })
  const slow = under.set('a', 1)
  await under.settle()
  await under.world.time.advance(600)
  const late = under.set('b', 1)
  await under.world.time.advance(500)
  assert.deepEqual([slow.outcome, late.outcome], ['COORDINATOR_NOT_AVAILABLE', 'waits'])
  await under.flush()
  assert.equal(late.outcome, 'b=1')
  const read = under.get('a')
  await under.settle()
  assert.equal(read.outcome, '1')
  assert.equal(under.world.time.pending, 1, 'one look, which finds nothing')
  await under.world.time.advance(1_000)
  assert.equal(under.world.time.pending, 0)
})

test('what a shard wants to be told of a commit outlives those who were told that it takes too long', async () => {
  const under = await RuntimeUnderTest.start({ commitTimeoutMs: 1_000 })
  const told: string[] = []
  const slow = under.ask((_, turn, answer) => {
    turn.append(commit('a', 1))
    turn.answer({ answered: (news: string) => told.push(news) }, 'a is committed')
    answer('a=1')
  })
  await under.world.time.advance(1_100)
  assert.deepEqual([slow.outcome, told], ['COORDINATOR_NOT_AVAILABLE', []])
  assert.equal(under.world.time.pending, 0, 'nobody is waited for')
  await under.flush()
  assert.deepEqual(told, ['a is committed'])
})

test('reads of what takes too long to be committed are told so as well', async () => {
  const under = await RuntimeUnderTest.start({ commitTimeoutMs: 1_000 })
  const slow = under.set('a', 1)
  await under.world.time.advance(1_100)
  const read = under.get('a')
  await under.world.time.advance(10)
  assert.deepEqual([slow.outcome, read.outcome], ['COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_NOT_AVAILABLE'])
})

test('what waits for room for too long is told so, and is written when there is some', async () => {
  const under = await RuntimeUnderTest.start({ commitTimeoutMs: 1_000 })
  let open = (): void => {}
  under.room = new Promise(resolve => {
    open = resolve
  })
  const write = under.set('a', 1)
  await under.world.time.advance(600)
  const read = under.get('a')
  await under.world.time.advance(500)
  assert.deepEqual([write.outcome, read.outcome], ['COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_NOT_AVAILABLE'])
  under.room = undefined
  open()
  await under.flush()
  const again = under.get('a')
  await under.settle()
  assert.equal(again.outcome, '1')
})

test('an append that was given up is not looked at again while others wait behind it', async () => {
  const under = await RuntimeUnderTest.start({ commitTimeoutMs: 1_000 })
  under.set('a', 1)
  await under.world.time.advance(1_100)
  const { time } = under.world
  const after = time.after.bind(time)
  let timers = 0
  time.after = (delayMs, run) => {
    timers++
    return after(delayMs, run)
  }
  const late = under.set('b', 1)
  await time.advance(900)
  assert.deepEqual([timers, late.outcome], [1, 'waits'])
  await time.advance(200)
  assert.equal(late.outcome, 'COORDINATOR_NOT_AVAILABLE')
})

test('however many turns write before an append, they ask for it once', async () => {
  const under = await RuntimeUnderTest.start({ appendLingerMs: 10 })
  under.set('a', 1)
  const { pending } = under.world.time
  for (let times = 0; times < 100; times++) under.set('a', times)
  assert.equal(under.world.time.pending, pending)
})

test('a partition that goes offline takes its shard along, and whoever waits', async () => {
  const under = await RuntimeUnderTest.start()
  const parked = under.ask((_, turn) => turn.after('key', 10, () => assert.fail('its timers are gone')))
  const write = under.set('a', 1)
  await under.settle()
  under.world.storage.fail(`/${topic}-0`)
  await under.settle()
  assert.deepEqual([parked.outcome, write.outcome], ['NOT_COORDINATOR', 'NOT_COORDINATOR'])
  await under.world.time.advance(60_000)
  const after = under.get('a')
  await under.settle()
  assert.equal(after.outcome, 'NOT_COORDINATOR')
})

test('a topic that is deleted and made again has an empty shard', async () => {
  const under = await RuntimeUnderTest.start()
  under.set('a', 1)
  await under.flush()
  under.table.remove('id' as never)
  under.partition.offline(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  await under.log.delete()
  const missing = under.get('a')
  await under.settle()
  assert.deepEqual([missing.outcome, under.topicsMissed], ['NOT_COORDINATOR', 1])
  await under.open({}, 'another')
  under.set('b', 2)
  await under.flush()
  assert.deepEqual([...under.shard.offsets], [['b', 2]])
})

test('an append waits for room, and turns go on meanwhile', async () => {
  const under = await RuntimeUnderTest.start()
  let open = (): void => {}
  under.room = new Promise(resolve => {
    open = resolve
  })
  const first = under.set('a', 1)
  await under.settle()
  const second = under.set('b', 2)
  const read = under.get('a')
  await under.settle()
  assert.equal(batches(under).length, 0)
  under.room = undefined
  open()
  await under.flush()
  assert.deepEqual([first.outcome, second.outcome, read.outcome], ['a=1', 'b=2', '1'])
  assert.equal(batches(under).length, 1)
})

test('timers run in turns of their own, are put off, replaced and cancelled by key', async () => {
  const under = await RuntimeUnderTest.start()
  const ran: string[] = []
  let parked: Asker<string> | undefined
  const asked = new Asked(
    under.runtime.ask<string>(0, (_, turn, asker) => {
      parked = asker
      turn.after('put off', 10, () => ran.push('early'))
      turn.after('put off', 20, later => {
        ran.push('late')
        later.append(commit('a', 1))
        later.answer(parked!, 'answered')
      })
      turn.after('sooner', 20, () => ran.push('replaced'))
      turn.after('sooner', 5, () => ran.push('soon'))
      turn.after('cancelled', 5, () => ran.push('cancelled'))
      turn.cancel('cancelled')
    }),
  )
  await under.world.time.advance(10)
  assert.deepEqual(ran, ['soon'])
  await under.world.time.advance(10)
  assert.deepEqual(ran, ['soon', 'late'])
  assert.equal(asked.outcome, 'waits')
  await under.flush()
  assert.equal(asked.outcome, 'answered')
})

test('a stop appends what was written, answers nobody, and leaves no timer', async () => {
  const under = await RuntimeUnderTest.start()
  const write = under.set('a', 1)
  const parked = under.ask((_, turn) => turn.after('key', 10, () => assert.fail('stopped')))
  under.runtime.stop()
  await under.settle()
  assert.deepEqual([write.outcome, parked.outcome], ['NOT_COORDINATOR', 'NOT_COORDINATOR'])
  assert.equal(batches(under).length, 1)
  assert.equal(under.world.time.pending, 0)
  const after = under.get('a')
  await under.settle()
  assert.equal(after.outcome, 'NOT_COORDINATOR')
})

test('turns that are told to all are done where the shard is there, and when it is loaded', async () => {
  const first = await RuntimeUnderTest.start()
  const told: number[] = []
  const tell = (under: RuntimeUnderTest) =>
    under.runtime.tell('all', (shard: RegisterShard) => told.push(shard.offsets.size))
  tell(first)
  first.set('a', 1)
  tell(first)
  await first.flush()
  assert.deepEqual(told, [1], 'nobody had asked for the shard before')
  const second = await RuntimeUnderTest.start({ machine: first.world.machine })
  second.runtime.loadAll()
  tell(second)
  assert.deepEqual(told, [1])
  await second.settle()
  assert.deepEqual(told, [1, 1])
})
