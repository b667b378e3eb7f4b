import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { AbortedTransaction } from '../../../src/log/transaction-marker.ts'
import { encodeAborted } from '../../../src/log/txn-index.ts'
import { end, openRealLog, write } from '../log/real-log.ts'
import { runLog } from './support.ts'

const secondSegment = 4
const aborted: AbortedTransaction = { producerId: 1n, firstOffset: 2, lastOffset: 5, lastStableOffset: 4 }

/** A partition whose second segment has the marker of what was aborted in the first. Cleanly closed. */
async function written(t: TestContext): Promise<{ partition: string; index: string; told: Uint8Array }> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-txn-index-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const { log, close } = await openRealLog(directory)
  write(log, 2n, 'committed')
  end(log, 2n, true)
  write(log, 1n, 'aborted')
  write(log, 1n, 'aborted, too')
  log.roll()
  write(log, 3n, 'open')
  end(log, 1n, false)
  write(log, 3n, 'still open')
  await close()
  const partition = join(directory, 't-0')
  const index = join(partition, `${String(secondSegment).padStart(20, '0')}.txnindex`)
  return { partition, index, told: encodeAborted([aborted]) }
}

test('an index of aborted transactions is held against the markers, and made anew from them', async t => {
  const { partition, index, told } = await written(t)
  assert.deepEqual(new Uint8Array(readFileSync(index)), told)
  assert.equal((await runLog(['verify', partition])).code, 0)
  const damages: Record<string, () => void> = {
    'a cut end': () => writeFileSync(index, told.subarray(0, 33)),
    'no file': () => rmSync(index),
    'another version': () =>
      writeFileSync(
        index,
        Uint8Array.from(told, (byte, at) => (at === 1 ? 1 : byte)),
      ),
    'another producer': () => writeFileSync(index, encodeAborted([{ ...aborted, producerId: 9n }])),
    'a later begin': () => writeFileSync(index, encodeAborted([{ ...aborted, firstOffset: 3 }])),
    'nothing in it': () => writeFileSync(index, new Uint8Array()),
  }
  for (const [name, damage] of Object.entries(damages)) {
    damage()
    const verified = await runLog(['verify', partition, '--json'])
    assert.equal(verified.code, 1, name)
    const findings = verified.of('finding').map(({ code, severity }) => [code, severity])
    assert.deepEqual(findings, [['txn-index', 'rebuilt']], name)
    assert.equal((await runLog(['repair', partition])).code, 0, name)
    assert.deepEqual(new Uint8Array(readFileSync(index)), told, name)
    assert.equal((await runLog(['verify', partition])).code, 0, name)
  }
})

test('an index that names what no segment has is taken away', async t => {
  const { partition } = await written(t)
  const wrong = join(partition, '00000000000000000000.txnindex')
  writeFileSync(wrong, encodeAborted([{ producerId: 2n, firstOffset: 0, lastOffset: 1, lastStableOffset: 2 }]))
  assert.equal((await runLog(['verify', partition])).code, 1)
  assert.equal((await runLog(['repair', partition])).code, 0)
  assert.equal((await runLog(['verify', partition])).code, 0)
})

test('dump shows who has a transaction open, and what was aborted', async t => {
  const { partition } = await written(t)
  const dumped = await runLog(['dump', partition, '--json', '--files', 'snapshot,txnindex'])
  const starts = dumped
    .of('snapshot')
    .filter(({ file }) => String(file).endsWith('7.snapshot'))
    .map(({ producerId, currentTxnFirstOffset }) => `${producerId} ${currentTxnFirstOffset}`)
  assert.deepEqual(starts.sort(), ['1 -1', '2 -1', '3 4'])
  assert.deepEqual(
    dumped.of('txnindex').map(({ producerId, firstOffset, lastOffset }) => [producerId, firstOffset, lastOffset]),
    [[1, 2, 5]],
  )
})
