/** Millrace, for programs: a log in a directory of its own, and a whole Kafka broker, both in this process. */

export type {
  AppendOptions,
  BrokerOptions,
  NewTopic,
  ReadOptions as BrokerReadOptions,
} from './app/in-process/broker.ts'
export { Broker } from './app/in-process/index.ts'
export type { Acks } from './app/in-process/producer.ts'
export type { BrokerRecord } from './app/in-process/records.ts'
export { Log } from './app/log.ts'
export { MillraceError } from './base/error.ts'
export type { Logger } from './base/logger.ts'
export type { LogCursor } from './embedded/cursor.ts'
export type { LogCompression, LogOptions } from './embedded/log-options.ts'
export type { LogRecord, ReadOptions } from './embedded/read-stream.ts'
export type { AppendInput, RecordBytes, RecordInput } from './embedded/record-packer.ts'
export type { RecordHeader } from './records/record-batch.ts'
