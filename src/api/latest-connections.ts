import type { ProducerId } from '../base/ids.ts'
import type { RequestContext } from './serve.ts'

interface Latest {
  readonly producerId: ProducerId
  readonly producerEpoch: number
  /** See RequestContext.connectionOrder. */
  readonly order: number
}

/** Transactional ids that are kept in mind, about 150 bytes each; of one that was not used for longest, the least is lost. */
const keptIds = 100_000
/** In all of them together: anybody may name one, and of up to 32,767 characters. */
const keptCharacters = 8 << 20

/**
 * By which connection each producer has last spoken to the coordinator. Below version 2 all transactions of a producer have
 * one epoch: a request that is held up on its way, and that its client has repeated over another connection since, would
 * add to the next transaction, or end it with half of its records. (In Kafka it does.) A client that has gone over to a
 * later connection sends nothing over an earlier one, so what still comes there is late.
 */
export class LatestConnections {
  private readonly latest = new Map<string, Latest>()
  /** Of all ids in `latest`. */
  private characters = 0

  get size(): number {
    return this.latest.size
  }

  /** Whether the request is late: then its connection is to be closed, which asks a client that is there to repeat it. */
  isLate(
    transactionalId: string,
    producerId: ProducerId,
    producerEpoch: number,
    { connectionOrder: order }: Pick<RequestContext, 'connectionOrder'>,
  ): boolean {
    const known = this.latest.get(transactionalId)
    if (known?.producerId === producerId && known.producerEpoch === producerEpoch && order < known.order) return true
    // Who was fenced says nothing about who fenced it.
    if (known?.producerId === producerId && producerEpoch < known.producerEpoch) return false
    this.forget(transactionalId)
    this.latest.set(transactionalId, { producerId, producerEpoch, order })
    this.characters += transactionalId.length
    while (this.latest.size > keptIds || this.characters > keptCharacters) this.forget(this.latest.keys().next().value!)
    return false
  }

  private forget(transactionalId: string): void {
    if (this.latest.delete(transactionalId)) this.characters -= transactionalId.length
  }
}
