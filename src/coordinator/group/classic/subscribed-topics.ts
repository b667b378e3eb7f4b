import { messageCodec, ProtocolError, Reader } from '../../../protocol/index.ts'
import { consumerProtocolSubscription } from '../../../protocol/schema/consumer-protocol.ts'

const reader = new Reader()

/**
 * The topics of a consumer's metadata: read as version 0, which every version begins with, known here or not. Undefined where the
 * bytes are no such metadata: they are whatever a client sent.
 */
export function topicsOfSubscription(metadata: Uint8Array): string[] | undefined {
  if (metadata.byteLength < 2) return undefined
  try {
    return messageCodec(consumerProtocolSubscription, 0).decode(reader.reset(metadata, 2)).topics
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}
