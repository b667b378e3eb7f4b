import type { Logger } from '../../../base/logger.ts'
import type { Turn } from '../../runtime/shard.ts'
import type { MixedMember } from './migration.ts'

/** Removes a member that did not do what was expected of it. */
export type Evict = (groupId: string, memberId: string, turn: Turn) => void

/**
 * What members of the classic protocol in a KIP-848 group have to do within their rebalance timeout: to join once they were
 * told to, to sync once they joined. Others may wait for what they hold. Not logged: after loading, a member that is behind
 * is told to join again by its next heartbeat.
 */
export class Rejoins {
  private readonly logger: Logger
  private readonly evict: Evict
  /** Those that were told to join: being told again gives no more time. */
  private readonly told = new Set<string>()

  constructor(logger: Logger, evict: Evict) {
    this.logger = logger
    this.evict = evict
  }

  /** The member is told to join. */
  expect(groupId: string, { memberId, rebalanceTimeoutMs }: MixedMember, turn: Turn): void {
    const key = joinKey(groupId, memberId)
    if (this.told.has(key)) return
    this.told.add(key)
    turn.after(key, Math.max(rebalanceTimeoutMs, 0), later => {
      this.told.delete(key)
      this.logger.info(
        { group: groupId, member: memberId, timeoutMs: rebalanceTimeoutMs },
        'a member did not join again',
      )
      this.evict(groupId, memberId, later)
    })
  }

  joined(groupId: string, memberId: string, rebalanceTimeoutMs: number, turn: Turn): void {
    this.endJoin(groupId, memberId, turn)
    turn.after(syncKey(groupId, memberId), rebalanceTimeoutMs, later => {
      this.logger.info({ group: groupId, member: memberId, timeoutMs: rebalanceTimeoutMs }, 'a member did not sync')
      this.evict(groupId, memberId, later)
    })
  }

  synced(groupId: string, memberId: string, turn: Turn): void {
    turn.cancel(syncKey(groupId, memberId))
  }

  forget(groupId: string, memberId: string, turn: Turn): void {
    this.endJoin(groupId, memberId, turn)
    turn.cancel(syncKey(groupId, memberId))
  }

  private endJoin(groupId: string, memberId: string, turn: Turn): void {
    const key = joinKey(groupId, memberId)
    this.told.delete(key)
    turn.cancel(key)
  }
}

// Ids are anything a client likes: the length keeps `a/b` of group `c` apart from `b` of group `c/a`.
const joinKey = (groupId: string, memberId: string): string => `${groupId}/rejoin/${groupId.length}/${memberId}`
const syncKey = (groupId: string, memberId: string): string => `${groupId}/resync/${groupId.length}/${memberId}`
