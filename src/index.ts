/** Millrace, for programs: a broker in this process. */

export { type Broker, startBroker } from './app/broker.ts'
export { type BrokerConfig, type Endpoint, readBrokerConfig } from './app/config.ts'
export { realWorld } from './app/real-world.ts'
export { MillraceError } from './base/error.ts'
export type { Logger } from './base/logger.ts'
