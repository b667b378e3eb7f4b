import type { Random } from '../../base/world.ts'
import type { FetchSession } from './session.ts'

export interface FetchSessionLimits {
  /** `max.incremental.fetch.session.cache.slots` */
  readonly slots: number
  /** A session that is not used for so long may be evicted by any other, and before that age by none without privilege. */
  readonly evictionMs: number
  /** Partitions of one session. Clients with more are answered without one. */
  readonly sessionPartitions: number
  /** Partitions of all sessions: a bound on the memory they take together, about 300 bytes each. */
  readonly partitions: number
}

export const defaultSessionLimits: FetchSessionLimits = {
  slots: 1_000,
  evictionMs: 120_000,
  sessionPartitions: 100_000,
  partitions: 1_000_000,
}

const maxSessionId = 0x7fff_ffff

/** The sessions of a broker, whatever connection they were made on; they do not end with it (KIP-227). */
export class FetchSessionCache {
  readonly limits: FetchSessionLimits
  private readonly random: Random
  private readonly sessions = new Map<number, FetchSession>()
  private partitionCount = 0

  constructor(random: Random, limits: FetchSessionLimits = defaultSessionLimits) {
    this.random = random
    this.limits = limits
  }

  get size(): number {
    return this.sessions.size
  }

  get partitions(): number {
    return this.partitionCount
  }

  get(id: number): FetchSession | undefined {
    return this.sessions.get(id)
  }

  /** Takes a new session in and gives it an id, evicting another if it has to; false when there is no room for it. */
  admit(session: FetchSession, nowMs: number): boolean {
    const { slots, sessionPartitions, partitions } = this.limits
    if (slots <= 0 || session.size > sessionPartitions) return false
    if (this.sessions.size >= slots && !this.evictFor(session, nowMs)) return false
    if (this.partitionCount + session.size > partitions) return false
    session.id = this.newId()
    this.sessions.set(session.id, session)
    this.touch(session, nowMs)
    return true
  }

  /** The session is used, and may have changed its size; false when it has grown beyond bounds and is gone. */
  touch(session: FetchSession, nowMs: number): boolean {
    session.usedMs = nowMs
    if (this.sessions.get(session.id) !== session) return true // Evicted while its request was on the way: its last one.
    this.partitionCount += session.size - session.countedSize
    session.countedSize = session.size
    if (session.size <= this.limits.sessionPartitions && this.partitionCount <= this.limits.partitions) return true
    this.remove(session)
    return false
  }

  remove(session: FetchSession | undefined): void {
    if (session === undefined || this.sessions.get(session.id) !== session) return
    this.sessions.delete(session.id)
    this.partitionCount -= session.countedSize
  }

  /**
   * Kafka's rules: the one that was not used for longest, if that is long; else the least valuable one that may go, if the
   * new one is worth more. A follower's is worth more than a consumer's, one with more partitions more than one with fewer.
   */
  private evictFor(newcomer: FetchSession, nowMs: number): boolean {
    const { evictionMs } = this.limits
    let oldest: FetchSession | undefined
    let least: FetchSession | undefined
    for (const session of this.sessions.values()) {
      if (oldest === undefined || session.usedMs < oldest.usedMs) oldest = session
      const settled = session.usedMs - session.createdMs > evictionMs
      const evictable = settled || (newcomer.privileged && !session.privileged)
      if (evictable && (least === undefined || worth(session) < worth(least))) least = session
    }
    if (oldest !== undefined && nowMs - oldest.usedMs > evictionMs) least = oldest
    else if (least === undefined || rank(newcomer.privileged, newcomer.size) <= worth(least)) return false
    this.remove(least)
    return true
  }

  private newId(): number {
    for (;;) {
      const id = 1 + Math.floor(this.random.next() * (maxSessionId - 1))
      if (!this.sessions.has(id)) return id
    }
  }
}

const rank = (privileged: boolean, size: number): number => (privileged ? 2 ** 32 : 0) + size
const worth = (session: FetchSession): number => rank(session.privileged, session.countedSize)
