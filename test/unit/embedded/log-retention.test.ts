import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogCheckpoint } from '../../../src/embedded/log-checkpoint.ts'
import { resolveLogOptions } from '../../../src/embedded/log-options.ts'
import { LogRetention } from '../../../src/embedded/log-retention.ts'
import type { LogWriter } from '../../../src/native/log-writer.ts'

const segmentBytes = 1000

/** A log of segments of the same size, whose retention keeps two of them, and the delays that its looks ask for. */
function subject() {
  const log = { first: 0, segments: 1 }
  const writer = {
    segments: (count: number) =>
      Array.from({ length: Math.min(count, log.segments) }, (_, index) => ({
        ...{ baseOffset: log.first + index, sizeBytes: segmentBytes, maxTimestampMs: 0 },
      })),
    sizeBytes: () => log.segments * segmentBytes,
  }
  const checkpoint = {
    get startOffset() {
      return log.first
    },
    advance: async (offset: number) => {
      log.segments -= offset - log.first
      log.first = offset
    },
  }
  const delays: number[] = []
  let due: (() => void) | undefined
  const timers = {
    after: (delayMs: number, act: () => void) => {
      delays.push(delayMs)
      due = act
      return { cancel: () => {} }
    },
  }
  const options = resolveLogOptions({ retentionBytes: 2 * segmentBytes, segmentBytes: 1 << 20 })
  const retention = new LogRetention(
    writer as unknown as LogWriter,
    checkpoint as unknown as LogCheckpoint,
    options,
    { timers: timers as never, clock: { wallMs: () => 0 } },
    () => {},
  )
  const look = async (grownBy: number): Promise<number> => {
    log.segments += grownBy
    const before = delays.length
    due!()
    for (let turns = 0; delays.length === before && turns < 100; turns++) await Promise.resolve()
    return delays.at(-1)!
  }
  return { log, look, retention }
}

test('looks come closer while segments go, and further apart again', async () => {
  const { log, look, retention } = subject()
  assert.equal(await look(1), 1000)
  const closer = []
  for (let turn = 0; turn < 6; turn++) closer.push(await look(2))
  assert.deepEqual(closer, [500, 250, 125, 62.5, 50, 50])
  assert.equal(log.segments, 2)
  const further = []
  for (let turn = 0; turn < 6; turn++) further.push(await look(0))
  assert.deepEqual(further, [100, 200, 400, 800, 1000, 1000])
  retention.end()
})
