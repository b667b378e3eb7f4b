import {
  type Codec,
  encodeRecordKey,
  encodeVersioned,
  type MessageSchema,
  messageCodec,
  peekInt16,
  Reader,
  type RecordSchema,
  type Writer,
} from '../../protocol/index.ts'
import type { CoordinatorRecord } from './record.ts'

interface Kind {
  readonly schema: RecordSchema
  readonly key: Codec<CoordinatorRecord['key'], unknown>
  /** By version. */
  readonly values: readonly (Codec<NonNullable<CoordinatorRecord['value']>, unknown> | undefined)[]
}

/** A coordinator's records as the keys and values of its topic. */
export class RecordCodec {
  /** By record type. */
  private readonly kinds: Kind[] = []
  private readonly reader = new Reader()

  constructor(schemas: readonly RecordSchema[]) {
    for (const schema of schemas) {
      const { min, max } = schema.value.versions
      const values = Array.from({ length: max + 1 }, (_, version) =>
        version < min ? undefined : messageCodec(schema.value as MessageSchema, version),
      )
      this.kinds[schema.type] = { schema, key: messageCodec(schema.key as MessageSchema, 0), values }
    }
  }

  /** Appends a record's key; where the bytes of its value begin is where the writer stands then. */
  encodeKey(writer: Writer, record: CoordinatorRecord): void {
    encodeRecordKey(writer, record.schema, record.key)
  }

  encodeValue(writer: Writer, record: CoordinatorRecord): void {
    if (record.value !== null) encodeVersioned(writer, record.schema.value, record.version, record.value)
  }

  /**
   * The record whose key and value lie in `bytes`; a value that ends before it begins is null. A number: the record is of
   * this type, which is not known here, as a newer broker's are after a downgrade. Throws ProtocolError on bytes that are
   * no record, and on a value of a newer version than is known: what it says would be lost.
   */
  decode(
    bytes: Uint8Array,
    keyFrom: number,
    keyEnd: number,
    valueFrom: number,
    valueEnd: number,
  ): CoordinatorRecord | number {
    const { reader } = this
    reader.reset(bytes, keyFrom, keyEnd)
    const type = peekInt16(reader)
    const kind = this.kinds[type]
    if (kind === undefined) return type
    const { schema } = kind
    reader.position += 2
    const key = kind.key.decode(reader)
    if (valueEnd < valueFrom) return { schema, version: schema.value.versions.max, key, value: null }
    reader.reset(bytes, valueFrom, valueEnd)
    const version = peekInt16(reader)
    const codec = kind.values[version]
    if (codec === undefined) return reader.fail('unsupported-version', valueFrom, schema.value.name)
    reader.position += 2
    return { schema, version, key, value: codec.decode(reader) }
  }
}
