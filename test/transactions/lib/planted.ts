import type { Edit } from './edits.ts'

/** Brokers that break a promise of transactions: the checker must tell each of them from a sound one. */
export const planted: Readonly<Record<string, readonly Edit[]>> = {
  'fencing off': [
    {
      file: 'src/coordinator/transaction/transaction-metadata.ts',
      find: 'a.producerId === b.producerId && a.producerEpoch === b.producerEpoch',
      replace: 'a.producerId === b.producerId',
    },
    {
      file: 'src/coordinator/transaction/end-txn.ts',
      find: 'if (metadata.producerEpoch !== request.producerEpoch) return ErrorCode.PRODUCER_FENCED',
      replace: '',
    },
    {
      file: 'src/log/producer-state.ts',
      find: 'if (entry !== undefined && batch.producerEpoch < entry.producerEpoch) return staleEpoch',
      replace: '',
    },
  ],
  'marker resend off': [
    {
      file: 'src/coordinator/transaction/transaction-shard.ts',
      find: 'if (now !== undefined && isPrepared(now)) this.endings.resume(now, turn)',
      replace: '',
    },
  ],
  'verification off': [
    {
      file: 'src/api/produce-transaction.ts',
      find: 'this.asks = this.adds || verifier.verifies',
      replace: 'this.asks = this.adds',
    },
  ],
  'late requests carried out': [
    {
      file: 'src/api/latest-connections.ts',
      find: 'order < known.order) return true',
      replace: 'order < known.order) return false',
    },
  ],
  'aborted transactions not told': [
    {
      file: 'src/api/fetch/reading.ts',
      find: 'if (!this.params.readCommitted) return this.hold',
      replace: 'if (this.stopped || true) return this.hold',
    },
  ],
  'timeouts off': [
    {
      file: 'src/coordinator/transaction/transaction-shard.ts',
      find: 'if (!isOpen) this.timeouts.watch(next, turn)',
      replace: '',
    },
  ],
}
