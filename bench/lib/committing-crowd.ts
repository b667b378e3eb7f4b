import { setTimeout as sleep } from 'node:timers/promises'
import { GroupConnection } from './group-connection.ts'
import { awaitCoordinator, ClassicMember, makeTopic } from './group-members.ts'

const membersPerGroup = 10
const heartbeatMs = 3_000
/** Groups that come together at the same time. */
const groupsAtOnce = 20

/** Consumers that do nothing but commit once a second, each at its own moment of it, and keep alive. */
export class CommittingCrowd {
  private readonly members: readonly ClassicMember[]

  private constructor(members: readonly ClassicMember[]) {
    this.members = members
  }

  static async gather(address: string, topic: string, groups: number): Promise<CommittingCrowd> {
    await makeTopic(address, topic, membersPerGroup)
    const members: ClassicMember[] = []
    for (let first = 0; first < groups; first += groupsAtOnce) {
      const some = Array.from({ length: Math.min(groupsAtOnce, groups - first) }, (_, index) => first + index)
      const gathered = await Promise.all(some.map(group => gatherGroup(address, `${topic}-${group}`, topic)))
      members.push(...gathered.flat())
    }
    return new CommittingCrowd(members)
  }

  /** Commits for so long; resolves with the milliseconds that each answer took. */
  async commit(seconds: number): Promise<number[]> {
    const times: number[] = []
    const start = performance.now()
    await Promise.all(
      this.members.map(async (member, index) => {
        const commit = member.commitFrame(index % membersPerGroup)
        const beat = member.heartbeatFrame()
        const phaseMs = Math.random() * 1_000
        for (let second = 0; second < seconds; second++) {
          await sleep(Math.max(start + phaseMs + second * 1_000 - performance.now(), 0))
          const sentAt = performance.now()
          const answers = [member.send(commit)]
          if ((second * 1_000 + Math.floor(phaseMs)) % heartbeatMs < 1_000) answers.push(member.send(beat))
          await answers[0]
          times.push(performance.now() - sentAt)
          await Promise.all(answers)
        }
      }),
    )
    return times
  }

  close(): void {
    for (const member of this.members) member.close()
  }
}

async function gatherGroup(address: string, groupId: string, topic: string): Promise<ClassicMember[]> {
  await awaitCoordinator(address, groupId)
  const members = await Promise.all(
    Array.from(
      { length: membersPerGroup },
      async () => new ClassicMember(await GroupConnection.open(address), groupId, topic, membersPerGroup),
    ),
  )
  await ClassicMember.together(members)
  return members
}
