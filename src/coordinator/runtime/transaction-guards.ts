/** Held while a producer's transaction is looked for elsewhere. */
export interface TransactionGuard {
  /** A transaction of the producer has ended here since: what was found out then means nothing now. */
  readonly ended: boolean
  release(): void
}

/** The guards that are held at one partition. */
export class TransactionGuards {
  private readonly held = new Map<bigint, Set<{ ended: boolean }>>()

  begin(producerId: bigint): TransactionGuard {
    let guards = this.held.get(producerId)
    if (guards === undefined) {
      guards = new Set()
      this.held.set(producerId, guards)
    }
    const guard = { ended: false, release: () => this.release(producerId, guard) }
    guards.add(guard)
    return guard
  }

  ended(producerId: bigint): void {
    for (const guard of this.held.get(producerId) ?? []) guard.ended = true
  }

  private release(producerId: bigint, guard: { ended: boolean }): void {
    const guards = this.held.get(producerId)
    guards?.delete(guard)
    if (guards?.size === 0) this.held.delete(producerId)
  }
}
