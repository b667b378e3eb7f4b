import type { Uuid } from '../../protocol/index.ts'

/** Lets others have their turn while a request with very many elements is done in slices: what it returns is awaited. */
export interface Share {
  /** A unit is about a microsecond's work. */
  spend(units: number): Promise<void> | undefined
}

/** Partitions of a request that one turn of a shard takes. */
export const partitionsPerTurn = 250
/** About what the work for one partition takes, in microseconds. */
const unitsPerPartition = 4

interface TopicAnswer {
  readonly name?: string | undefined
  readonly topicId?: Uuid | undefined
  readonly partitions?: readonly unknown[] | undefined
}

/** Some topics of a request, with some of their partitions. */
interface Slice<T> {
  readonly topics: readonly T[]
  /** Its first topic is the last one of the slice before. */
  readonly continues: boolean
}

/** Whether one turn takes all of a request, as it does nearly every one. */
export function isOneSlice<T>(topics: readonly T[], partitionsOf: (topic: T) => readonly unknown[]): boolean {
  let room = partitionsPerTurn
  for (const topic of topics) room -= Math.max(partitionsOf(topic).length, 1)
  return room >= 0
}

/**
 * Asks for the topics of a request in slices, started in their order, each in a turn of its own, and joins what they are
 * answered. `partitionsOf` tells a topic's partitions, `withPartitions` is the topic with some of them.
 */
export async function askInSlices<T, P, A>(
  topics: readonly T[],
  partitionsOf: (topic: T) => readonly P[],
  withPartitions: (topic: T, partitions: readonly P[]) => T,
  share: Share,
  ask: (topics: readonly T[]) => Promise<A>,
): Promise<{ readonly answer: A; readonly continues: boolean }[]> {
  const asked: Promise<{ answer: A; continues: boolean }>[] = []
  for (const { topics: some, continues } of slices(topics, partitionsOf, withPartitions)) {
    asked.push(ask(some).then(answer => ({ answer, continues })))
    const partitions = some.reduce((sum, topic) => sum + partitionsOf(topic).length, some.length)
    const due = share.spend(partitions * unitsPerPartition)
    if (due !== undefined) await due
  }
  return await Promise.all(asked)
}

function* slices<T, P>(
  topics: readonly T[],
  partitionsOf: (topic: T) => readonly P[],
  withPartitions: (topic: T, partitions: readonly P[]) => T,
): Generator<Slice<T>> {
  let some: T[] = []
  let continues = false
  let room = partitionsPerTurn
  for (const topic of topics) {
    const partitions = partitionsOf(topic)
    let from = 0
    do {
      if (room <= 0) {
        yield { topics: some, continues }
        some = []
        continues = from > 0
        room = partitionsPerTurn
      }
      const part = from === 0 && partitions.length <= room ? partitions : partitions.slice(from, from + room)
      some.push(part === partitions ? topic : withPartitions(topic, part))
      from += part.length
      // A topic without partitions takes room as well.
      room -= Math.max(part.length, 1)
    } while (from < partitions.length)
  }
  yield { topics: some, continues }
}

/** The topics of answers to slices, where a topic that was cut is one again. */
export function joinTopics<T extends TopicAnswer>(
  answers: readonly { readonly answer: readonly T[]; readonly continues: boolean }[],
): readonly T[] {
  if (answers.length === 1) return answers[0]!.answer
  const joined: T[] = []
  let last: { topic: T; partitions: unknown[] } | undefined
  for (const { answer, continues } of answers)
    answer.forEach((topic, at) => {
      if (at === 0 && continues && last !== undefined && isSame(last.topic, topic)) {
        for (const partition of topic.partitions ?? []) last.partitions.push(partition)
        return
      }
      const partitions = [...(topic.partitions ?? [])]
      last = { topic, partitions }
      joined.push({ ...topic, partitions })
    })
  return joined
}

const isSame = (a: TopicAnswer, b: TopicAnswer): boolean => a.name === b.name && a.topicId === b.topicId
