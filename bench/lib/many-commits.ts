import { setTimeout as sleep } from 'node:timers/promises'
import { partitionOfKey } from '../../src/coordinator/runtime/key-hash.ts'
import { ErrorCode, errorName } from '../../src/protocol/index.ts'
import { offsetCommit } from '../../src/protocol/schema/offset-commit.ts'
import { offsetFetch } from '../../src/protocol/schema/offset-fetch.ts'
import { GroupConnection } from './group-connection.ts'
import { awaitCoordinator, makeTopic } from './group-members.ts'

const partitions = 1_000
const connections = 4
const pollMs = 5
const offsetsPartitions = 50 // offsets.topic.num.partitions

const groupName = (group: number): string => `loaded-${group}`

/** Commits an offset of each of 1,000 partitions for so many groups. */
export const commitMany = async (address: string, topic: string, groups: number): Promise<void> => {
  await awaitCoordinator(address, groupName(0))
  await makeTopic(address, topic, partitions)
  let next = 0
  const writer = async (): Promise<void> => {
    const connection = await GroupConnection.open(address)
    while (next < groups) await commitAll(connection, topic, groupName(next++))
    connection.close()
  }
  await Promise.all(Array.from({ length: connections }, writer))
}

async function commitAll(connection: GroupConnection, topic: string, groupId: string): Promise<void> {
  for (;;) {
    const { topics } = await connection.request(offsetCommit, 7, {
      groupId,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [
        {
          name: topic,
          partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
            partitionIndex,
            committedOffset: 1_000_000 + partitionIndex,
            committedMetadata: '',
          })),
        },
      ],
    })
    const code = topics[0]!.partitions.find(({ errorCode }) => errorCode !== ErrorCode.NONE)?.errorCode
    if (code === undefined) return
    if (!comesBack.has(code)) throw new Error(`commit of ${groupId}: ${errorName(code)}`)
    await sleep(pollMs)
  }
}

/** Resolves when the groups of every partition of `__consumer_offsets` are served. */
export const untilLoaded = async (address: string, groups: number): Promise<void> => {
  const connection = await GroupConnection.open(address)
  const byPartition = new Map(
    Array.from({ length: groups }, (_, group) => [
      partitionOfKey(groupName(group), offsetsPartitions),
      groupName(group),
    ]),
  )
  for (const groupId of byPartition.values()) {
    for (;;) {
      const answer = await connection.request(offsetFetch, 5, { groupId, topics: [] })
      if (answer.errorCode === ErrorCode.NONE) break
      if (!comesBack.has(answer.errorCode)) throw new Error(`fetch of ${groupId}: ${errorName(answer.errorCode)}`)
      await sleep(pollMs)
    }
  }
  connection.close()
}

const comesBack = new Set<ErrorCode>([
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
  // A Kafka broker hears of a topic some time after it was made.
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
])
