import { assert } from '../../../base/assert.ts'
import type { ClassicMemberState, ClassicProtocol } from '../migration/migration.ts'
import type { ClassicMember, JoinAsker } from './classic-member.ts'

/** What a member takes beside its strings and bytes, roughly. */
const memberBytes = 512

type Measured = Pick<ClassicMemberState, 'memberId' | 'instanceId' | 'clientId' | 'protocols'>

/** About how much memory a member holds that its client chose the size of. */
export function sizeOfMember({ memberId, instanceId, clientId, protocols }: Measured): number {
  const ids = memberId.length + (instanceId?.length ?? 0) + clientId.length
  return protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.byteLength, memberBytes + ids)
}

/** The members of one classic group, in the order in which they came, with what is counted over them. */
export class Members {
  private readonly byId = new Map<string, ClassicMember>()
  private readonly staticIds = new Map<string, string>()
  /** How many members support a protocol. */
  private readonly support = new Map<string, number>()
  private joiningCount = 0
  private total = 0

  get size(): number {
    return this.byId.size
  }
  /** How many members' JoinGroup waits. */
  get joining(): number {
    return this.joiningCount
  }
  /** By `sizeOfMember`, of all of them. */
  get bytes(): number {
    return this.total
  }
  get staticCount(): number {
    return this.staticIds.size
  }
  [Symbol.iterator](): Iterator<ClassicMember> {
    return this.byId.values()
  }
  get(memberId: string): ClassicMember | undefined {
    return this.byId.get(memberId)
  }
  has(memberId: string): boolean {
    return this.byId.has(memberId)
  }
  staticMemberId(instanceId: string): string | undefined {
    return this.staticIds.get(instanceId)
  }

  add(member: ClassicMember): void {
    const { memberId, instanceId } = member
    assert(!this.byId.has(memberId), 'a member is added once', { memberId })
    assert(instanceId === null || !this.staticIds.has(instanceId), 'an instance is one member', {
      memberId,
      instanceId,
    })
    this.byId.set(memberId, member)
    if (instanceId !== null) this.staticIds.set(instanceId, memberId)
    if (member.joining !== undefined) this.joiningCount++
    this.total += sizeOfMember(member)
    this.count(member.protocols, 1)
  }

  remove(memberId: string): ClassicMember | undefined {
    const member = this.byId.get(memberId)
    if (member === undefined) return undefined
    this.byId.delete(memberId)
    if (member.instanceId !== null) this.staticIds.delete(member.instanceId)
    if (member.joining !== undefined) this.joiningCount--
    this.total -= sizeOfMember(member)
    this.count(member.protocols, -1)
    return member
  }

  setJoining(member: ClassicMember, joining: JoinAsker | undefined): void {
    if (member.joining !== undefined) this.joiningCount--
    if (joining !== undefined) this.joiningCount++
    member.joining = joining
  }

  setProtocols(member: ClassicMember, protocols: readonly ClassicProtocol[]): void {
    this.total -= sizeOfMember(member)
    this.count(member.protocols, -1)
    member.protocols = protocols
    this.count(protocols, 1)
    this.total += sizeOfMember(member)
  }

  /** Whether every member supports at least one and the same of these. */
  supportOneOf(protocols: readonly ClassicProtocol[]): boolean {
    return protocols.some(({ name }) => (this.support.get(name) ?? 0) === this.byId.size)
  }

  /** Each member votes for what it likes best of what all support; of equals, the one that was named first. */
  selectProtocol(): string {
    const votes = new Map<string, number>()
    for (const { memberId, protocols } of this.byId.values()) {
      const vote = protocols.find(({ name }) => this.support.get(name) === this.byId.size)
      assert(vote !== undefined, 'members have a protocol in common', { memberId })
      votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1)
    }
    assert(votes.size > 0, 'there are members to vote')
    return [...votes].reduce((best, next) => (next[1] > best[1] ? next : best))[0]
  }

  private count(protocols: readonly ClassicProtocol[], by: 1 | -1): void {
    for (const { name } of protocols) {
      const supporters = (this.support.get(name) ?? 0) + by
      if (supporters === 0) this.support.delete(name)
      else this.support.set(name, supporters)
    }
  }
}
