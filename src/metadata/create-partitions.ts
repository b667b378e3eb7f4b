import { ok, type Result } from '../base/result.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { TopicImage } from './image.ts'
import {
  maxPartitionsPerTopic,
  type PlacementDefaults,
  placeAsAssigned,
  placeFreely,
  type Refusal,
  refuse,
} from './placement.ts'

export interface MorePartitions {
  /** How many the topic is to have in the end. */
  readonly count: number
  /** Brokers of each new partition; null: the broker chooses. */
  readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null
}

/** Decides what a topic with more partitions looks like, or why it cannot have them. Nothing has happened yet. */
export function planMorePartitions(
  topic: TopicImage,
  { count, assignments }: MorePartitions,
  defaults: PlacementDefaults,
): Result<TopicImage, Refusal> {
  const present = topic.partitions.length
  if (count === present) return refuse(ErrorCode.INVALID_PARTITIONS, `Topic already has ${present} partition(s).`)
  if (count < present)
    return refuse(
      ErrorCode.INVALID_PARTITIONS,
      `The topic ${topic.name} currently has ${present} partition(s); ${count} would not be an increase.`,
    )
  const added = count - present
  if (assignments !== null && assignments.length !== added)
    return refuse(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `Attempted to add ${added} additional partition(s), but only ${assignments.length} assignment(s) were specified.`,
    )
  if (count > maxPartitionsPerTopic)
    return refuse(ErrorCode.POLICY_VIOLATION, `A topic of this broker has at most ${maxPartitionsPerTopic} partitions.`)
  const replicationFactor = topic.partitions[0]!.replicas.length
  const placed =
    assignments === null
      ? placeFreely(added, replicationFactor, defaults)
      : placeAsAssigned(
          assignments.map(({ brokerIds }) => brokerIds),
          defaults,
        )
  return placed.ok ? ok({ ...topic, partitions: [...topic.partitions, ...placed.value] }) : placed
}
