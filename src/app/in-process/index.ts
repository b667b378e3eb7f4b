import type { BrokerOptions, InProcessBroker } from './broker.ts'

/** A whole Kafka broker in this process: see its methods. */
export type Broker = InProcessBroker

/** Starts brokers. What they are made of is loaded with the first of them: an app that has only logs never pays for it. */
export const Broker = {
  /** Fulfilled when it serves. Rejects with a `MillraceError` that says what to do when it cannot. */
  async start(options: BrokerOptions): Promise<Broker> {
    return (await import('./broker.ts')).InProcessBroker.start(options)
  },
} as const
