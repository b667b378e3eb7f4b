import { type CoordinatorRecord, coordinatorRecord } from '../../src/coordinator/runtime/record.ts'
import { RecordCodec } from '../../src/coordinator/runtime/record-codec.ts'
import { consumerOffsetsRecords } from '../../src/protocol/all-records.ts'
import { Writer } from '../../src/protocol/index.ts'

const codec = new RecordCodec(consumerOffsetsRecords)
const writer = new Writer()

/** The record as it comes back from the log: its version may have no room for all that was put into it. */
export function fromLog(record: CoordinatorRecord): CoordinatorRecord {
  writer.reset()
  codec.encodeKey(writer, record)
  const keyEnd = writer.position
  codec.encodeValue(writer, record)
  const valueEnd = record.value === null ? -1 : writer.position
  const decoded = codec.decode(writer.bytes.slice(0, writer.position), 0, keyEnd, keyEnd, valueEnd)
  if (typeof decoded === 'number') throw new Error(`a record of unknown type ${decoded}`)
  return coordinatorRecord(decoded.schema, decoded.key, decoded.value, decoded.version)
}
