/** A request and its answer as they were on the wire, in hex, headers included and the length prefix left off. */
export interface Exchange {
  readonly api: number
  readonly version: number
  readonly request: string
  /** Null where the protocol gives no answer: Produce with acks=0. */
  readonly response: string | null
}

/** What one client and one broker said to each other; written by `capture/record.ts`. */
export interface Fixture {
  readonly client: string
  readonly version: string
  readonly broker: string
  readonly exchanges: readonly Exchange[]
}

/** `frame` with ones in place of what is random in it: ids of topics as bytes, the cluster's as text. */
export function blank(frame: Uint8Array, secrets: readonly Uint8Array[]): Buffer {
  const blanked = Buffer.from(frame)
  for (const secret of secrets)
    for (let at = blanked.indexOf(secret); at >= 0; at = blanked.indexOf(secret, at + secret.length))
      blanked.fill('1', at, at + secret.length)
  return blanked
}
