// One task of the bench of logs in a process of its own: `run-task.ts SPEC`, as JSON. Prints what it measured.
import { join } from 'node:path'
import { openSide } from './sides.ts'
import { batchRecords, crowd, type LogSide, type Measured, type TaskSpec } from './task.ts'

const warmUpShare = 0.5
/** Records between two looks at the clock. */
const roundRecords = 4096
const placesPerRound = 1024
/** Of each writer of a crowd; within them nobody waits for the others. */
const crowdTurns = 8

const spec = JSON.parse(process.argv[2]!) as TaskSpec

/** Distinct values, so that nothing is appended twice because it is the same memory. */
function valuesOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => Buffer.alloc(spec.recordBytes, `${index}-`))
}

/** A generator of places that is the same each time: 32 bits of xorshift. */
function* rounds(): Generator<Uint32Array, never, void> {
  const places = new Uint32Array(placesPerRound)
  let state = 2463534242
  for (;;) {
    for (let at = 0; at < placesPerRound; at++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      places[at] = (state >>> 0) % spec.records
    }
    yield places
  }
}

/** One round; how many records it took. */
type Round = () => number | Promise<number>

function roundOf(side: LogSide): Round {
  const values = valuesOf(batchRecords)
  switch (spec.task) {
    case 'append-one':
      return async () => {
        for (let done = 0; done < roundRecords; done++) {
          const pending = side.appendOne(values[done % batchRecords]!)
          if (pending !== undefined) await pending
        }
        return roundRecords
      }
    case 'append-batch':
      return async () => {
        for (let done = 0; done < roundRecords; done += batchRecords) {
          const pending = side.appendBatch(values)
          if (pending !== undefined) await pending
        }
        return roundRecords
      }
    case 'durable':
      return async () => {
        await side.appendDurably!(values)
        return batchRecords
      }
    case 'durable-crowd':
      return async () => {
        const write = async () => {
          for (let turn = 0; turn < crowdTurns; turn++) await side.appendDurably!(values)
        }
        await Promise.all(Array.from({ length: crowd }, write))
        return crowd * crowdTurns * batchRecords
      }
    case 'scan':
      return () => side.scan('lengths')
    case 'scan-in-place':
      return () => side.scan('in-place')
    case 'scan-views':
      return () => side.scan('views')
    case 'scan-copies':
      return () => side.scan('copies')
    case 'random': {
      const places = rounds()
      return async () => {
        await side.random(places.next().value)
        return placesPerRound
      }
    }
  }
}

async function measure(side: LogSide, round: Round, seconds: number): Promise<Measured> {
  const began = performance.now()
  for (let records = 0; ; ) {
    const took = round()
    records += typeof took === 'number' ? took : await took
    if (performance.now() - began < seconds * 1_000) continue
    await side.settle?.()
    return { records, seconds: (performance.now() - began) / 1_000 }
  }
}

async function fill(side: LogSide): Promise<void> {
  const values = valuesOf(1_000)
  for (let done = 0; done < spec.records; done += values.length) {
    const pending = side.appendBatch(values)
    if (pending !== undefined) await pending
  }
  await side.settle?.()
}

async function run(): Promise<Measured> {
  const side = await openSide(spec.side, join(spec.directory, 'log'), spec.peers)
  try {
    if (spec.task.startsWith('scan') || spec.task === 'random') await fill(side)
    const round = roundOf(side)
    await measure(side, round, spec.seconds * warmUpShare)
    return await measure(side, round, spec.seconds)
  } finally {
    await side.close()
  }
}

console.log(JSON.stringify(await run()))
