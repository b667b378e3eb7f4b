import type { ProducerId } from '../base/ids.ts'

/**
 * Stands for one question to the coordinator whether a partition is part of a producer's transaction (KIP-890). Only the
 * guard that was given out for the question opens the transaction, and a marker that comes in between takes it back: what
 * the coordinator answered before the marker says nothing about what it knows after it.
 */
export class VerificationGuard {}

/** For whoever appends without asking the coordinator (transaction.partition.verification.enable is off). */
export const withoutVerification = new VerificationGuard()

interface Verification {
  readonly guard: VerificationGuard
  /** The client bumps its epoch with each transaction (transaction.version 2). */
  readonly supportsEpochBump: boolean
  producerEpoch: number
  /**
   * Of the batches that asked: a later one that is verified first would be appended, and the earlier one then out of
   * order for ever.
   */
  lowestSequence: number
  /** It was there at the last sweep already. */
  old: boolean
}

/** Sequences are 31 bits and wrap to 0: whether `sequence` comes after `other`, by less than half of them. */
const isAfter = (sequence: number, other: number): boolean => {
  const distance = (sequence - other) & 0x7fffffff
  return distance !== 0 && distance < 0x40000000
}

/** The transactions of one partition that the coordinator is being asked about, one a producer. */
export class Verifications {
  private readonly byProducer = new Map<ProducerId, Verification>()

  begin(
    producerId: ProducerId,
    producerEpoch: number,
    baseSequence: number,
    supportsEpochBump: boolean,
  ): VerificationGuard {
    let verification = this.byProducer.get(producerId)
    if (verification === undefined) {
      const guard = new VerificationGuard()
      verification = { guard, supportsEpochBump, producerEpoch, lowestSequence: baseSequence, old: false }
      this.byProducer.set(producerId, verification)
    } else if (producerEpoch > verification.producerEpoch) {
      verification.producerEpoch = producerEpoch
      verification.lowestSequence = baseSequence
    } else if (producerEpoch === verification.producerEpoch && isAfter(verification.lowestSequence, baseSequence)) {
      verification.lowestSequence = baseSequence
    }
    return verification.guard
  }

  /** Whether `guard` opens a transaction of the producer now. */
  admits(producerId: ProducerId, guard: VerificationGuard | undefined): boolean {
    if (guard === undefined) return false
    return guard === withoutVerification || guard === this.byProducer.get(producerId)?.guard
  }

  /** Whether a batch may come first; `known`: its producer's earlier batches are known. */
  inOrder(producerId: ProducerId, baseSequence: number, known: boolean): boolean {
    const verification = this.byProducer.get(producerId)
    if (verification === undefined) return true
    if (verification.supportsEpochBump && !known && baseSequence !== 0) return false
    return !isAfter(baseSequence, verification.lowestSequence)
  }

  /** The transaction was opened, or ended. */
  forget(producerId: ProducerId): void {
    this.byProducer.delete(producerId)
  }

  /** Forgets those that nothing has come of since the last sweep but one. */
  sweep(): void {
    for (const [producerId, verification] of this.byProducer) {
      if (verification.old) this.byProducer.delete(producerId)
      verification.old = true
    }
  }
}
