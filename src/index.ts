/** Millrace, for programs: a broker in this process. */

export {
  type AppendOptions,
  Broker,
  type BrokerOptions,
  type NewTopic,
  type ReadOptions,
} from './app/in-process/broker.ts'
export type { Acks } from './app/in-process/producer.ts'
export type { AppendInput, AppendRecord, BrokerRecord, Bytes } from './app/in-process/records.ts'
export { MillraceError } from './base/error.ts'
export type { Logger } from './base/logger.ts'
