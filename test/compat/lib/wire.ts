/** The values that travel between a suite and a driver; drivers/README.md describes them. */
import { createHash } from 'node:crypto'

export type WireHeader = readonly [name: string, value: string | null]

export interface SentRecord {
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly WireHeader[]
  /** Null: the client's own. */
  readonly timestamp: number | null
}

export interface FetchedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly WireHeader[]
}

/** How much of a partition is to be read, from which offset on. */
export interface Part {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly count: number
}

export interface ProduceArgs {
  readonly topic: string
  readonly partition: number
  readonly codec: string
  readonly acks: number
  readonly idempotent: boolean
  readonly records: readonly SentRecord[]
}

const inlineBytesMax = 1024

/** Base64, or a digest of what is too long for a line. */
export function wireText(bytes: Buffer): string
export function wireText(bytes: Buffer | null): string | null
export function wireText(bytes: Buffer | null): string | null {
  if (bytes === null) return null
  if (bytes.length <= inlineBytesMax) return bytes.toString('base64')
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** What a reader answers for bytes that were sent as base64. */
export const asRead = (sent: string | null): string | null =>
  sent === null ? null : wireText(Buffer.from(sent, 'base64'))
