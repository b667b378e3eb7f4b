import type { Exchange } from '../fixture.ts'

export interface ProxyOptions {
  /** Of the loopback; 0 takes any. */
  readonly port: number
  /** Read at each connection, so that the port may be filled in after the proxy listens. */
  readonly broker: { host: string; port: number }
  readonly onExchange: (exchange: Exchange) => void
}

export function startProxy(options: ProxyOptions): Promise<{ readonly port: number; close(): void }>
