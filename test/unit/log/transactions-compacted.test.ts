import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { PartitionLog } from '../../../src/log/partition-log.ts'
import { lastSequenceIn } from '../../../src/log/producer-state.ts'
import { CleaningPass } from '../../../src/native/cleaner.ts'
import { StatusCode } from '../../../src/native/status.ts'
import { BatchAttributes } from '../../../src/records/batch-header.ts'
import { readRecords } from '../../../src/records/record-batch.ts'
import { durable, end, openRealLog, write } from './real-log.ts'

const compaction = {
  minCleanableRatio: 0,
  minLagMs: 0,
  maxLagMs: Number.MAX_SAFE_INTEGER,
  deleteRetentionMs: 1_000_000,
}

/** As the cleaner does: whole segments below what is stable. */
async function clean(log: PartitionLog): Promise<void> {
  const stable = log.lastStable(log.durableEnd)
  await log.keepAborted()
  const all = log.stored.segments(100, false)
  const sealed = all.filter((_, index) => (all[index + 1]?.baseOffset ?? Number.POSITIVE_INFINITY) <= stable)
  const endOffset = all[sealed.length]!.baseOffset
  const task = {
    directory: log.stored.directory,
    segments: sealed,
    endOffset,
    firstDirtyOffset: 0,
    mapBytes: 1 << 20,
    segmentBytes: 1 << 20,
    segmentIndexBytes: 4096,
    indexIntervalBytes: 4096,
    maxMessageBytes: 1 << 20,
    deleteRetentionMs: compaction.deleteRetentionMs,
    nowMs: Date.now(),
    producers: [...log.producers].map(([producerId, { producerEpoch, batches }]) => ({
      producerId,
      producerEpoch,
      lastDataOffset: batches[batches.length - 1]?.lastOffset ?? -1,
    })),
    bytesPerSecond: Number.POSITIVE_INFINITY,
  }
  const none = () => assert.fail('nothing is compressed')
  const pass = new CleaningPass(task, { unfold: none, fold: none }, new Int32Array(new SharedArrayBuffer(4)))
  pass.buildMap()
  for (let group = pass.nextGroup(); group !== undefined; group = pass.nextGroup())
    assert.equal(await log.replaceSegments(group.bases), StatusCode.ok)
  pass.close()
}

async function values(log: PartitionLog): Promise<string[]> {
  const found: string[] = []
  for (const { baseOffset, attributes, recordCount } of log.stored.readHeaders(0, log.logEnd, 1_000)) {
    if ((attributes & BatchAttributes.control) !== 0 || recordCount === 0) continue
    const batch = await log.stored.readBatch(baseOffset, log.logEnd)
    for (const { value } of readRecords(batch, 0)) found.push(new TextDecoder().decode(value!))
  }
  return found
}

const knownOf = (log: PartitionLog) =>
  [...log.producers].map(([id, entry]) => [id, entry.transactionStart, entry.coordinatorEpoch, lastSequenceIn(entry)])

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-compacted-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('rows 26 and 27: compaction stops at an open transaction, drops what was aborted, and a start learns as much', async t => {
  const directory = directoryOf(t)
  const first = await openRealLog(directory, { compaction, deletes: false })
  const { log } = first
  write(log, 1n, 'committed')
  const abortedAt = write(log, 2n, 'aborted')
  log.roll()
  end(log, 1n, true)
  const marker = log.logEnd
  end(log, 2n, false) // Known only from an index that was not there when its segment was written.
  log.roll()
  const openAt = write(log, 3n, 'open')
  log.roll()
  write(log, 4n, 'later')
  end(log, 4n, true)
  log.roll()
  write(log, 5n, 'last')
  end(log, 5n, false)
  await durable(log)
  assert.equal(log.lastStable(log.durableEnd), openAt)
  const told = [{ producerId: 2n, firstOffset: abortedAt, lastOffset: marker, lastStableOffset: marker + 1 }]
  assert.deepEqual(await log.abortedTransactions(0, openAt), told)

  await clean(log)
  assert.deepEqual(await values(log), ['committed', 'open', 'later', 'last'])
  assert.equal(log.lastStable(log.durableEnd), openAt)
  assert.deepEqual(await log.abortedTransactions(0, openAt), told, 'as long as its marker may be met')
  const known = knownOf(log)
  await clean(log)
  assert.deepEqual(await values(log), ['committed', 'open', 'later', 'last'])
  const after = await log.abortedTransactions(0, log.logEnd)
  await first.close()

  const partition = join(directory, 't-0')
  for (const name of readdirSync(partition)) if (/snapshot$|txnindex$/.test(name)) rmSync(join(partition, name))
  const again = await openRealLog(directory, { compaction, deletes: false })
  assert.deepEqual(knownOf(again.log), known)
  assert.equal(again.log.lastStable(again.log.logEnd), openAt)
  assert.deepEqual(await again.log.abortedTransactions(0, again.log.logEnd), after)
  await again.close()
})
