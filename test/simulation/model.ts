import type { Uuid } from '../../src/protocol/index.ts'
import { buildBatch } from '../../src/records/record-batch.ts'

/**
 * What clients know: what they asked for and what was promised to them. Whatever was not answered, or answered with an
 * error, may or may not have happened, until a look at the broker tells.
 */
export interface Model {
  readonly topics: Map<string, TopicLife[]>
  readonly producerIds: Set<bigint>
  readonly topicIds: Set<string>
}

/** One topic of a name; the last one of its name may be there. */
export interface TopicLife {
  readonly name: string
  /** Counts the topics of this name. */
  readonly number: number
  /** Unknown while its creation was not answered. */
  id: Uuid | undefined
  presence: 'maybe' | 'there' | 'gone'
  /** How many it has at least, and how many were asked for. */
  partitions: number
  partitionsAsked: number
  /** The values that each config may have; undefined: not set. */
  readonly configs: Map<string, (string | undefined)[]>
  /** Retention may have taken of it, now or when its configs were others. */
  expires: boolean
  /** It was enough for an acknowledgement to be written, now or once: consumers may see what a crash still takes. */
  cached: boolean
  readonly logs: LogLife[]
  readonly commits: CommitLife
}

/** The offsets that a group of the topic's own has committed: 1, 2, 3, … */
export interface CommitLife {
  /** The last one that was answered well, or seen: it survives every crash. 0: none. */
  told: number
  asked: number
  /** One is under way, or was when the broker went. */
  busy: boolean
}

export interface LogLife {
  readonly batches: SentBatch[]
  /** DeleteRecords was answered with this start. */
  startPromised: number
  /** The log may begin as late as this. */
  startAsked: number
  /** The next sequence number of each producer. */
  readonly sequences: Map<bigint, number>
  /** Its last batch was not answered well: nothing more is sent before that is cleared up. */
  unsure: boolean
}

export interface SentBatch {
  readonly topic: string
  readonly life: number
  readonly partition: number
  /** Among the batches of its partition. */
  readonly number: number
  readonly records: number
  readonly valueBytes: number
  readonly timestampMs: number
  /** Undefined: sent without idempotence. */
  readonly producerId: bigint | undefined
  readonly sequence: number
  /** Undefined while nobody has told. */
  offset: number | undefined
  /** What survives: `written` a crash of the process, `durable` every crash. */
  promise: 'none' | 'written' | 'durable'
}

export const newModel = (): Model => ({ topics: new Map(), producerIds: new Set(), topicIds: new Set() })
export const copyOf = (model: Model): Model => structuredClone(model)

export const newLog = (): LogLife => ({
  batches: [],
  startPromised: 0,
  startAsked: 0,
  sequences: new Map(),
  unsure: false,
})

export const groupOf = ({ name, number }: TopicLife): string => `group of ${name} ${number}`

/** The topic of this name that may be there. */
export const latest = (model: Model, name: string): TopicLife | undefined => {
  const life = model.topics.get(name)?.at(-1)
  return life?.presence === 'gone' ? undefined : life
}

export const cachesWrites = (life: TopicLife): boolean => life.configs.get('write.caching')?.includes('true') === true
/** What these configs bring about stays true of a topic after they were changed again. */
export function noteConfig(life: TopicLife, config: string, value: string | undefined): void {
  life.expires ||= config === 'retention.ms' && value !== undefined
  life.cached ||= config === 'write.caching' && value === 'true'
}

const utf8 = new TextEncoder()

/** Tells in plain text whose it is, so that a record which turns up in the wrong place says so. */
export function textOf(batch: SentBatch, index: number): string {
  const { topic, life, partition, number, valueBytes } = batch
  return `${topic} ${life} ${partition} ${number} ${index} `.padEnd(valueBytes, `${number}.`)
}

export interface RecordName {
  readonly topic: string
  readonly life: number
  readonly partition: number
  readonly batch: number
  readonly index: number
}

export function nameIn(value: string): RecordName | undefined {
  const match = /^(\S+) (\d+) (\d+) (\d+) (\d+) /.exec(value)
  if (match === null) return undefined
  const [life, partition, batch, index] = match.slice(2).map(Number) as [number, number, number, number]
  return { topic: match[1]!, life, partition, batch, index }
}

/** The bytes of a batch, the same whenever it is sent. */
export function bytesOf(batch: SentBatch): Uint8Array {
  const records = Array.from({ length: batch.records }, (_, index) => ({
    key: utf8.encode(`key-${batch.number % 5}`),
    value: utf8.encode(textOf(batch, index)),
  }))
  const { timestampMs, producerId, sequence } = batch
  if (producerId === undefined) return buildBatch({ records, timestampMs })
  return buildBatch({ records, timestampMs, producerId, producerEpoch: 0, baseSequence: sequence })
}
