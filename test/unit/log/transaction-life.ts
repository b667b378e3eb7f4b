import assert from 'node:assert/strict'
import type { PartitionLog } from '../../../src/log/partition-log.ts'
import { lastSequenceIn, retainedBatches } from '../../../src/log/producer-state.ts'
import type { AbortedTransaction } from '../../../src/log/transaction-marker.ts'
import { withoutVerification } from '../../../src/log/verification.ts'
import { BatchAttributes } from '../../../src/records/batch-header.ts'
import { Machine } from '../../support/machine.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { batchOf } from '../../support/test-broker.ts'
import { appendFrame, key, path, startLogs } from './support.ts'

/** What lies in the log, as the one who wrote it knows. */
type Written =
  | { kind: 'data'; producer: bigint; epoch: number; sequence: number; first: number; last: number; inTxn: boolean }
  | { kind: 'marker'; producer: bigint; epoch: number; coordinator: number; at: number; committed: boolean }

interface Known {
  epoch: number
  coordinator: number
  lastSequence: number
  start: number
}

interface Truth {
  readonly known: Map<bigint, Known>
  readonly aborted: AbortedTransaction[]
  /** Transactions that a marker ended, committed or not. */
  readonly ended: { first: number; last: number }[]
}

const producers = [1n, 2n, 3n, 4n] as const
const directory = `${path}/t-0`

/** What follows from all that was ever written, deleted records included. */
function judge(written: readonly Written[]): Truth {
  const known = new Map<bigint, Known>()
  const aborted: AbortedTransaction[] = []
  const ended: { first: number; last: number }[] = []
  for (const each of written) {
    const before = known.get(each.producer) ?? { epoch: -1, coordinator: -1, lastSequence: -1, start: -1 }
    if (each.kind === 'data') {
      const start = each.inTxn && before.start < 0 ? each.first : before.start
      const lastSequence = each.sequence + each.last - each.first
      known.set(each.producer, { ...before, epoch: each.epoch, lastSequence, start })
      continue
    }
    const { epoch, coordinator, producer: producerId, at: lastOffset } = each
    const lastSequence = before.epoch === epoch ? before.lastSequence : -1
    known.set(producerId, { epoch, coordinator, lastSequence, start: -1 })
    if (before.start < 0) continue
    ended.push({ first: before.start, last: lastOffset })
    if (each.committed) continue
    const lastStableOffset = Math.min(lastOffset + 1, ...startsOf(known))
    aborted.push({ producerId, firstOffset: before.start, lastOffset, lastStableOffset })
  }
  return { known, aborted, ended }
}

const startsOf = (known: Map<bigint, Known>): number[] =>
  [...known.values()].map(({ start }) => start).filter(start => start >= 0)

/**
 * One partition's random life: transactions of some producers, both versions of them, log starts that move, snapshots
 * and indexes that cannot be written, processes and machines that die. After each step what the log knows is held
 * against what was written.
 */
export class TransactionLife {
  starts = 0
  aborts = 0
  private readonly random: SeededRandom
  private readonly machine = new Machine()
  private written: Written[] = []
  private started!: Awaited<ReturnType<typeof startLogs>>
  private log!: PartitionLog

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  async run(steps: number): Promise<void> {
    await this.start()
    for (let step = 0; step < steps; step++) {
      await this.step()
      await this.check()
    }
  }

  private async start(): Promise<void> {
    this.starts++
    this.started = await startLogs(this.machine, { segmentBytes: this.random.between(300, 1_500) })
    this.log = await this.started.openLog()
    // As with a broker: what a start finds is synced before anything else is done.
    const { storage } = this.started.world
    this.log.stored.requestFlush()
    storage.flush()
    storage.holdFlushes = this.random.below(2) === 0
  }

  private async step(): Promise<void> {
    const { random, started } = this
    const { world, logs, settle } = started
    const kind = random.below(100)
    if (kind < 55) this.append()
    else if (kind < 80) this.end()
    else if (kind < 84) world.storage.flush()
    else if (kind < 88) await world.time.settle()
    else if (kind < 90) this.log.roll()
    else if (kind < 93) {
      world.storage.holdFlushes = false
      world.storage.flush()
      const to = random.between(this.log.logStart, this.log.logEnd)
      await settle(logs.advanceStart(key(), to)).catch(error => assert.match(String(error), /EIO/))
    } else if (kind < 95) world.disk.fault = (operation, file) => this.fault(operation, file)
    else if (kind < 96) world.disk.fault = () => undefined
    else await this.restart(kind)
  }

  private fault(operation: string, file: string): Error | undefined {
    const isOurs = operation === 'replace' && /snapshot|txnindex/.test(file)
    return isOurs && this.random.below(2) === 0 ? new Error('EIO') : undefined
  }

  private async restart(kind: number): Promise<void> {
    const { world, logs, settle } = this.started
    if (kind === 99) {
      world.disk.fault = () => undefined
      world.storage.holdFlushes = false
      await settle(logs.close())
    } else {
      // What is on its way never arrives.
      world.disk.fault = () => new Error('the process is gone')
      if (kind === 98) this.machine.losePower()
      else this.machine.killProcess()
      if (this.random.below(4) === 0) this.damageAnIndex()
      const end = this.machine.logs.get(directory)!.endOffset
      this.written = this.written.filter(each => (each.kind === 'data' ? each.last : each.at) < end)
    }
    await this.start()
  }

  /** Only where all that it told is still in the log. */
  private damageAnIndex(): void {
    const names = [...this.machine.files.keys()].filter(name => name.endsWith('.txnindex'))
    if (names.length === 0 || this.log.logStart > 0) return
    const name = names[this.random.below(names.length)]!
    const bytes = this.machine.files.get(name)!
    this.machine.files.set(name, bytes.subarray(0, bytes.length - 1))
  }

  private append(): void {
    const { random, log } = this
    const producer = producers[random.below(producers.length)]!
    const known = judge(this.written).known.get(producer)
    const inTxn = (known?.start ?? -1) >= 0 || random.below(3) > 0
    const count = random.between(1, 3)
    const epoch = known?.epoch ?? 0
    const sequence = (known?.lastSequence ?? -1) + 1
    const batch = batchOf(
      Array.from({ length: count }, () => 'x'.repeat(random.below(40))),
      {
        producerId: producer,
        producerEpoch: epoch,
        baseSequence: sequence,
        attributes: inTxn ? BatchAttributes.transactional : 0,
      },
    )
    const first = log.logEnd
    appendFrame(this.started.world, log, batch, withoutVerification)
    this.written.push({ kind: 'data', producer, epoch, sequence, first, last: first + count - 1, inTxn })
  }

  private end(): void {
    const { random, log } = this
    const producerId = producers[random.below(producers.length)]!
    const known = judge(this.written).known.get(producerId)
    const transactionVersion = random.between(1, 2)
    const producerEpoch = (known?.epoch ?? 0) + (transactionVersion === 2 ? 1 : 0)
    const coordinatorEpoch = (known?.coordinator ?? 0) + random.below(2)
    const committed = random.below(2) === 0
    const at = log.logEnd
    const marker = { producerId, producerEpoch, coordinatorEpoch, committed, transactionVersion }
    assert.ok(log.appendMarker(marker, 0 as never, 0).ok)
    const [epoch, coordinator] = [producerEpoch, coordinatorEpoch]
    this.written.push({ kind: 'marker', producer: producerId, epoch, coordinator, at, committed })
  }

  private async check(): Promise<void> {
    const { log } = this
    const { known, aborted, ended } = judge(this.written)
    this.aborts = Math.max(this.aborts, aborted.length)
    const entries = new Map(log.producers)
    for (const [producerId, truth] of known) {
      const entry = entries.get(producerId)
      assert.ok(entry !== undefined, `producer ${producerId} is known`)
      const { producerEpoch: epoch, coordinatorEpoch: coordinator, transactionStart: start } = entry
      assert.deepEqual({ epoch, coordinator, lastSequence: lastSequenceIn(entry), start }, truth, `of ${producerId}`)
      assert.ok(entry.batches.length <= retainedBatches)
    }
    const highWatermark = Math.max(log.durableEnd, log.logStart)
    const held = ended.filter(({ last }) => last >= highWatermark).map(({ first }) => first)
    const lastStable = Math.max(log.logStart, Math.min(highWatermark, ...held, ...startsOf(known)))
    assert.equal(log.lastStable(highWatermark), lastStable, 'what is open or may be lost is not stable, all else is')
    const from = this.random.between(log.logStart, log.logEnd)
    const to = this.random.between(from, log.logEnd)
    const told = await this.started.settle(Promise.resolve(log.abortedTransactions(from, to)))
    const expected = aborted
      .filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to)
      .sort((one, other) => one.firstOffset - other.firstOffset)
    assert.deepEqual(told, expected, `aborted in [${from}, ${to})`)
  }
}
