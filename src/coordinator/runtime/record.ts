import type { Fields, MessageOf, MessageSchema, RecordSchema } from '../../protocol/index.ts'

/**
 * A record of a coordinator's own topic, whole: every field of its key and value is there. No value: a tombstone, which
 * takes back what was said under the same key.
 */
export interface CoordinatorRecord<K extends Fields = Fields, V extends Fields = Fields> {
  readonly schema: RecordSchema<K, V>
  /** The version that the value is written in. */
  readonly version: number
  readonly key: MessageOf<MessageSchema<K>>
  readonly value: MessageOf<MessageSchema<V>> | null
}

/** A record in the newest version of its schema, or in `version`. */
export function coordinatorRecord<K extends Fields, V extends Fields>(
  schema: RecordSchema<K, V>,
  key: MessageOf<MessageSchema<K>>,
  value: MessageOf<MessageSchema<V>> | null,
  version: number = schema.value.versions.max,
): CoordinatorRecord {
  return { schema, version, key, value } as unknown as CoordinatorRecord
}

/** Narrows a record to one of `schema`'s: `if (isRecordOf(record, offsetCommitRecord)) record.value?.offset`. */
export function isRecordOf<K extends Fields, V extends Fields>(
  record: CoordinatorRecord,
  schema: RecordSchema<K, V>,
): record is CoordinatorRecord & CoordinatorRecord<K, V> {
  return (record.schema as unknown) === schema
}
