import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoordinatorRecord } from '../../../../src/coordinator/runtime/record.ts'
import { RecordCodec } from '../../../../src/coordinator/runtime/record-codec.ts'
import { Writer } from '../../../../src/protocol/index.ts'
import { transactionLogRecord } from '../../../../src/protocol/records-schema/transaction-log.ts'
import { shown, shownRecord, TransactionsUnderTest, v1 } from '../../../support/transactions-shard.ts'

/** What comes back from the log. */
function stored(log: readonly CoordinatorRecord[]): CoordinatorRecord[] {
  const codec = new RecordCodec([transactionLogRecord])
  return log.map(record => {
    const writer = new Writer()
    codec.encodeKey(writer, record)
    const keyEnd = writer.position
    codec.encodeValue(writer, record)
    const valueEnd = record.value === null ? -1 : writer.position
    const read = codec.decode(writer.bytes.slice(0, writer.position), 0, keyEnd, keyEnd, valueEnd)
    assert.ok(typeof read !== 'number')
    return read
  })
}

test('row 22: what was decided goes on after a restart, at each point of its way', () => {
  for (const committed of [true, false]) {
    for (const version of [v1, undefined]) {
      const under = new TransactionsUnderTest()
      const producer = under.producer()
      under.add(producer, ['t-0', 'u-1'])
      under.end(producer, committed, version === undefined ? {} : { version })
      const [before] = under.jobs
      under.restart(stored(under.log))
      assert.deepEqual(under.jobs, [{ ...before!, coordinatorEpoch: 1 }])
      under.restart(stored(under.log))
      under.markersIn()
      assert.equal(shownRecord(under.log.at(-1)!), `tx Complete${committed ? 'Commit' : 'Abort'} 7/${version ? 0 : 1}`)
      under.restart(stored(under.log))
      assert.deepEqual(under.jobs, [], 'no marker is asked for twice once all are in')
    }
  }
})

test('row 22: a decision that nobody was told of because it never got into the log was none', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer)
  under.turns.holdCommits = true
  const lost = under.askEnd(producer, true)
  under.restart(under.log.slice(0, -1))
  assert.deepEqual([lost.done, under.jobs.length, under.state()], [false, 0, 'Ongoing 7/0'])
  assert.equal(under.abort(producer), '7/1')
})

test('row 22: what was decided without partitions completes with the load', () => {
  const under = new TransactionsUnderTest()
  under.abort(under.producer())
  under.restart(under.log.slice(0, -1))
  assert.equal(under.state(), 'CompleteAbort 7/1')
  assert.deepEqual(under.jobs, [])
})

test('row 22: markers of a job that a shard before this one sent out end nothing here', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer, ['t-0'], { version: 0 })
  under.commit(producer, { version: v1 })
  const [stale] = under.jobs
  under.restart()
  under.markersIn(stale!)
  assert.equal(under.state(), 'PrepareCommit 7/0')
  under.markersIn()
  assert.equal(under.state(), 'CompleteCommit 7/0')
  // The next transaction has the same producer id and epoch, and so has its job.
  under.add(producer, ['t-0'], { version: 0 })
  under.commit(producer, { version: v1 })
  under.markersIn(stale!)
  assert.equal(under.state(), 'PrepareCommit 7/0')
})

test('who asks while a load is resumed waits for the markers it finds', () => {
  const under = new TransactionsUnderTest()
  const producer = under.producer()
  under.add(producer)
  under.commit(producer)
  under.restart()
  const asked = under.askInit()
  assert.equal(shown(asked), 'waits')
  under.markersIn()
  assert.equal(shown(asked), '7/2')
})

test('a load goes on in slices, and each decided transaction is sent on its way once', () => {
  const under = new TransactionsUnderTest()
  const ids = Array.from({ length: 1_000 }, (_, at) => `tx-${at}`)
  for (const id of ids) {
    const producer = under.producer({ id })
    under.add(producer, ['t-0'], { id })
    under.commit(producer, { id })
  }
  under.restart()
  assert.deepEqual(
    under.jobs.map(({ transactionalId }) => transactionalId),
    ids,
  )
})

test('every field of a state comes back from the log', () => {
  const under = new TransactionsUnderTest()
  const last = under.lastProducer()
  under.add(last, ['t-0', 'u-1', 't-2'])
  under.commit(last)
  const before = under.describe()
  const [job] = under.jobs
  under.restart(stored(under.log.slice(-1)))
  assert.deepEqual(under.describe(), before)
  assert.deepEqual(under.jobs, [{ ...job!, coordinatorEpoch: 2 }])
  under.markersIn()
  assert.equal(under.state(), 'CompleteCommit 8/0')
})
