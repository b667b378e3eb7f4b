import { type BatchHeader, isControl, lastOffset } from './batch.ts'

export interface LastBatch {
  producerEpoch: number
  /** -1 after a control batch of a new epoch. */
  lastSequence: number
  lastOffset: number
  timestampMs: number
}

const maxSequence = 0x7fffffff
/** producer.id.expiration.ms: a producer that was silent for so long may go on anywhere. */
const expirationMs = 86_400_000

/** Whether the sequences of each producer follow each other, over the batches of one log in their order. */
export class ProducerHistory {
  readonly producers = new Map<bigint, LastBatch>()

  /** Notes a sound batch; returns what is wrong with its place. `holes`: batches may be missing before it. */
  note(header: BatchHeader, holes: boolean): string | undefined {
    const { producerId, producerEpoch } = header
    if (producerId < 0n) return undefined
    const entry = this.producers.get(producerId)
    if (isControl(header)) {
      if (entry === undefined || producerEpoch > entry.producerEpoch)
        this.producers.set(producerId, { ...last(header), lastSequence: -1 })
      return undefined
    }
    if (header.baseSequence < 0) return undefined // An empty batch that stands for lost ones.
    const wrong = entry === undefined ? undefined : judge(header, entry, holes)
    this.producers.set(producerId, last(header))
    return wrong
  }
}

function last(header: BatchHeader): LastBatch {
  // Compaction takes records out of a batch and leaves its offsets and sequences.
  const sum = header.baseSequence + header.lastOffsetDelta
  return {
    producerEpoch: header.producerEpoch,
    lastSequence: sum > maxSequence ? sum - maxSequence - 1 : sum,
    lastOffset: lastOffset(header),
    timestampMs: header.maxTimestamp,
  }
}

function judge(header: BatchHeader, entry: LastBatch, holes: boolean): string | undefined {
  const { producerId, producerEpoch, baseSequence } = header
  const silentMs = header.maxTimestamp - entry.timestampMs
  if (producerEpoch < entry.producerEpoch && silentMs < expirationMs)
    return `producer ${producerId} goes back from epoch ${entry.producerEpoch} to ${producerEpoch}`
  if (holes || silentMs >= expirationMs || producerEpoch < entry.producerEpoch) return undefined
  const following = entry.lastSequence === maxSequence ? 0 : entry.lastSequence + 1
  const expected = producerEpoch > entry.producerEpoch ? 0 : following
  if (baseSequence === expected) return undefined
  return `producer ${producerId} of epoch ${producerEpoch} goes on with sequence ${baseSequence}, and ${expected} would follow`
}
