// What consumers say of themselves inside the opaque bytes of the classic protocol. The coordinator reads it to know which
// topics a group is subscribed to, and both ways when a group changes its protocol.

import { err, ok, type Result } from '../../base/result.ts'
import {
  decodeVersioned,
  encodeVersioned,
  type MessageInput,
  type MessageOf,
  type MessageSchema,
  ProtocolError,
  peekInt16,
  Reader,
  Writer,
} from '../../protocol/index.ts'
import type { Fields } from '../../protocol/notation.ts'
import { consumerProtocolAssignment, consumerProtocolSubscription } from '../../protocol/schema/consumer-protocol.ts'

export interface TopicPartitionsByName {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** The protocol type under which members exchange these messages. */
export const consumerProtocolType = 'consumer'

export type ConsumerSubscription = MessageOf<typeof consumerProtocolSubscription>
export type ConsumerAssignment = MessageOf<typeof consumerProtocolAssignment>

/** The error says what is wrong with the bytes. A version newer than we know is read as the newest one. */
export function decodeSubscription(bytes: Uint8Array): Result<ConsumerSubscription, string> {
  return decoded(consumerProtocolSubscription, bytes)
}

/** The same for an assignment. A member that has none yet has no bytes: they are an assignment of nothing. */
export function decodeAssignment(bytes: Uint8Array): Result<ConsumerAssignment, string> {
  if (bytes.length === 0) return ok({ assignedPartitions: [], userData: null })
  return decoded(consumerProtocolAssignment, bytes)
}

/** The version in which a member wrote its subscription, so that it is answered in it; undefined where there is none. */
export function consumerProtocolVersion(bytes: Uint8Array): number | undefined {
  if (bytes.length < 2) return undefined
  const version = peekInt16(new Reader(bytes))
  return version < 0 ? undefined : Math.min(version, consumerProtocolAssignment.versions.max)
}

export function encodeSubscription(
  version: number,
  subscription: MessageInput<typeof consumerProtocolSubscription>,
): Uint8Array {
  return encoded(consumerProtocolSubscription, version, subscription)
}

export function encodeAssignment(version: number, assignedPartitions: readonly TopicPartitionsByName[]): Uint8Array {
  return encoded(consumerProtocolAssignment, version, {
    assignedPartitions: assignedPartitions.map(({ topic, partitions }) => ({ topic, partitions: [...partitions] })),
    userData: null,
  })
}

function decoded<F extends Fields>(
  schema: MessageSchema<F>,
  bytes: Uint8Array,
): Result<MessageOf<MessageSchema<F>>, string> {
  try {
    return ok(decodeVersioned(new Reader(bytes), schema, { asNewest: true }) as MessageOf<MessageSchema<F>>)
  } catch (error) {
    if (error instanceof ProtocolError) return err(`${schema.name}: ${error.message}`)
    throw error
  }
}

function encoded<F extends Fields>(
  schema: MessageSchema<F>,
  version: number,
  value: MessageInput<MessageSchema<F>>,
): Uint8Array {
  const writer = new Writer(256)
  encodeVersioned(writer, schema, version, value as never)
  return writer.written().slice()
}
