import type { Uuid } from '../../protocol/index.ts'

export interface TopicFacts {
  readonly name: string
  readonly id: Uuid
  readonly partitions: number
}

/** The topics of the cluster as the groups see them: those that can be consumed at this moment. */
export interface TopicsView {
  topic(name: string): TopicFacts | undefined
  topicById(id: Uuid): TopicFacts | undefined
  /** All of them, in no order. */
  topics(): Iterable<TopicFacts>
  /** Grows whenever a topic comes, goes or gets partitions. */
  readonly version: number
}
