// Messages that carry their own version in two bytes in front: coordinators' record values, the consumers' embedded
// subscription and assignment. Record keys carry the record's type in the same place.

import { messageCodec } from './codec.ts'
import type { DecodedFields, EncodableFields, Fields, MessageSchema, RecordSchema } from './notation.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** The record type of a key or the version of a value; the reader stays where it is. */
export function peekInt16(reader: Reader): number {
  if (reader.remaining < 2) reader.fail('truncated', reader.position, '')
  return reader.view.getInt16(reader.position)
}

export function encodeVersioned<F extends Fields>(
  writer: Writer,
  schema: MessageSchema<F>,
  version: number,
  value: EncodableFields<F>,
): void {
  const codec = messageCodec(schema, version)
  writer.int16(version, schema.name)
  codec.encode(writer, value)
}

/**
 * Decodes a message in the version that it names. A newer version than the schema's is refused, or, with
 * `asNewest`, read as the newest known one: the consumers' protocol only ever adds fields at the end.
 */
export function decodeVersioned<F extends Fields>(
  reader: Reader,
  schema: MessageSchema<F>,
  { asNewest = false }: { readonly asNewest?: boolean } = {},
): DecodedFields<F> {
  const version = peekInt16(reader)
  const known = asNewest ? Math.min(version, schema.versions.max) : version
  const codec = messageCodec(schema, known)
  reader.position += 2
  return codec.decode(reader)
}

export function encodeRecordKey<K extends Fields>(
  writer: Writer,
  record: RecordSchema<K>,
  key: EncodableFields<K>,
): void {
  writer.int16(record.type, record.name)
  messageCodec(record.key, 0).encode(writer, key)
}

/** Decodes a key whose type the caller has looked at: see peekInt16. */
export function decodeRecordKey<K extends Fields>(reader: Reader, record: RecordSchema<K>): DecodedFields<K> {
  if (peekInt16(reader) !== record.type) reader.fail('value-out-of-range', reader.position, record.name)
  reader.position += 2
  return messageCodec(record.key, 0).decode(reader)
}
