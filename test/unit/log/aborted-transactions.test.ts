import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbortedTransactions } from '../../../src/log/aborted-transactions.ts'
import type { AbortedTransaction } from '../../../src/log/transaction-marker.ts'
import { encodeAborted, TxnIndex } from '../../../src/log/txn-index.ts'
import { Machine } from '../../support/machine.ts'
import { MemoryDisk } from '../../support/memory-disk.ts'

const aborted = (firstOffset: number, lastOffset: number, lastStableOffset = lastOffset + 1): AbortedTransaction => ({
  producerId: 7n,
  firstOffset,
  lastOffset,
  lastStableOffset,
})

function directory() {
  const machine = new Machine()
  machine.makeDirectory('/log')
  const disk = new MemoryDisk(machine)
  const reads: string[] = []
  disk.fault = (operation, path) => void (operation === 'read' && reads.push(path)) as undefined
  const file = (base: number) => machine.files.get(`/log/${String(base).padStart(20, '0')}.txnindex`)
  return { disk, path: '/log', machine, reads, file }
}

test('an entry has the bytes that Kafka would write', () => {
  const bytes = encodeAborted([{ producerId: 258n, firstOffset: 1, lastOffset: 0x1_0000_0002, lastStableOffset: 3 }])
  const fields = ['0000', '0000000000000102', '0000000000000001', '0000000100000002', '0000000000000003']
  assert.equal(Buffer.from(bytes).toString('hex'), fields.join(''))
  assert.deepEqual(new TxnIndex(bytes).at(0).lastOffset, 0x1_0000_0002)
})

test('an index is sound only with whole entries of the known version, in the order of their markers', () => {
  const sound = encodeAborted([aborted(0, 12), aborted(13, 15)])
  assert.equal(new TxnIndex(sound).isSound(10), true)
  assert.equal(new TxnIndex(sound).isSound(13), false, 'a marker from before its segment')
  assert.equal(new TxnIndex(sound.subarray(1)).isSound(0), false)
  assert.equal(new TxnIndex(encodeAborted([aborted(13, 15), aborted(0, 12)])).isSound(0), false)
  assert.equal(new TxnIndex(encodeAborted([aborted(13, 12)])).isSound(0), false)
  assert.equal(new TxnIndex(encodeAborted([aborted(1, 12, 14)])).isSound(0), false)
  assert.equal(new TxnIndex(encodeAborted([aborted(-1, 12)])).isSound(0), false)
  const high = 0x12_8000_0002
  const far = new TxnIndex(encodeAborted([aborted(high - 5, high), aborted(high + 1, high + 3)]))
  assert.deepEqual([far.isSound(high - 9), far.firstFrom(high + 1), far.at(0)], [true, 1, aborted(high - 5, high)])
  sound[1] = 1
  assert.equal(new TxnIndex(sound).isSound(10), false)
})

test('row 24: a reader is told those that reach into what it reads, by first offset', () => {
  const all = new AbortedTransactions()
  const early = aborted(10, 20, 5)
  const long = aborted(5, 30, 21)
  const late = aborted(25, 40)
  for (const each of [early, long, late]) all.add(each, 0)
  assert.deepEqual(all.between(0, 50), [long, early, late])
  assert.deepEqual(all.between(21, 25), [long])
  assert.deepEqual(all.between(31, 40), [late])
  assert.deepEqual(all.between(0, 5), [])
  assert.deepEqual(all.between(41, 50), [])
})

test('row 24: those of long ago come from the files, in the same order as those in memory', async () => {
  const { disk, path, file, reads } = directory()
  const all = new AbortedTransactions({ disk, path })
  const told: AbortedTransaction[] = []
  for (let i = 0; i < 3_000; i++) {
    // Each second transaction is around the one before it.
    const each = i % 2 === 0 ? aborted(i * 10 + 1, i * 10 + 5, i * 10) : aborted(i * 10 - 10, i * 10)
    told.push(each)
    all.add(each, i < 1_000 ? 0 : 10_000)
  }
  await all.write()
  assert.equal(file(0)!.length, 1_000 * 34)
  assert.equal(file(10_000)!.length, 2_000 * 34)
  const sorted = [...told].sort((one, other) => one.firstOffset - other.firstOffset)
  const between = (from: number, to: number) =>
    sorted.filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to)
  for (const [from, to] of [
    [0, 30_000],
    [9_985, 10_015],
    [19_000, 29_000],
    [0, 1],
  ] as const)
    assert.deepEqual(await all.between(from, to), between(from, to), `[${from}, ${to})`)
  reads.length = 0
  const recent = all.between(29_000, 30_000)
  assert.ok(!(recent instanceof Promise), 'the newest are in memory')
  assert.deepEqual(recent, between(29_000, 30_000))
  assert.deepEqual(reads, [])
})

test('they are to be written before there are too many of them in memory', async () => {
  const { disk, path, file } = directory()
  const all = new AbortedTransactions({ disk, path })
  const due = Array.from({ length: 6_000 }, (_, i) => all.add(aborted(i, i), 0)).filter(each => each)
  assert.equal(due.length, 1, 'asked for once')
  await all.write()
  assert.equal(file(0)!.length, 6_000 * 34)
})

test('an index that cannot be written stays to be written, and readers miss nothing', async () => {
  const { disk, path, file } = directory()
  const all = new AbortedTransactions({ disk, path })
  for (let i = 0; i < 2_000; i++) all.add(aborted(i, i), i < 1_000 ? 0 : 1_000)
  disk.fault = (operation, name) =>
    operation === 'replace' && name.includes('1000.') ? new Error('ENOSPC') : undefined
  await assert.rejects(all.write(), /ENOSPC/)
  assert.equal((await all.between(0, 2_000)).length, 2_000)
  disk.fault = () => undefined
  await all.write()
  assert.equal(file(1_000)!.length, 1_000 * 34)
  assert.equal((await all.between(0, 2_000)).length, 2_000)
})

test('what compaction took out of an index is told no more, also where it was in memory', async () => {
  const { disk, path, machine, file } = directory()
  const all = new AbortedTransactions({ disk, path })
  for (const [base, offset] of [
    [10, 15],
    [20, 25],
    [30, 35],
  ] as const)
    all.add(aborted(offset - 1, offset), base)
  await all.write()
  const fromFiles = new AbortedTransactions({ disk, path })
  await fromFiles.load({ disk, path }, [10, 20, 30], 100)
  let finish = (_: number) => {}
  const work = new Promise<number>(resolve => (finish = resolve))
  const replaced = [all, fromFiles].map(each => each.replaced(0, 20, work))
  // Segments 0, 10 and 20 become one, which keeps the second of the three.
  const during = fromFiles.between(0, 40)
  machine.files.set('/log/00000000000000000000.txnindex', file(20)!)
  for (const base of [10, 20]) machine.files.delete(`/log/${String(base).padStart(20, '0')}.txnindex`)
  finish(0)
  assert.deepEqual(await Promise.all(replaced), [0, 0])
  const left = [aborted(24, 25), aborted(34, 35)]
  assert.deepEqual(await during, left)
  assert.deepEqual(await fromFiles.between(0, 40), left)
  assert.deepEqual(await all.between(0, 40), left)
})

test('a file that is damaged under us is not believed', async () => {
  const { disk, path, machine } = directory()
  const all = new AbortedTransactions()
  assert.equal(await all.load({ disk, path }, [], 50), undefined)
  const loaded = new AbortedTransactions({ disk, path })
  machine.files.set('/log/00000000000000000010.txnindex', encodeAborted([aborted(11, 12), aborted(20, 30)]))
  assert.equal(await loaded.load({ disk, path }, [10], 50), undefined)
  assert.equal((await loaded.between(0, 50)).length, 2)
  machine.files.set('/log/00000000000000000010.txnindex', new Uint8Array(35))
  await assert.rejects(Promise.resolve(loaded.between(0, 50)), /is damaged/)
  assert.equal(await loaded.load({ disk, path }, [10], 50), 10)
})
