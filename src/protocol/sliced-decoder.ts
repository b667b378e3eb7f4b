import { compileSlicedDecoder, type SlicedDecoder } from './compile-decoder.ts'
import type { Api, MessageSchema, RequestOf } from './notation.ts'
import { ProtocolError } from './protocol-error.ts'
import type { Reader } from './reader.ts'
import { includesVersion } from './version-range.ts'

const decoders = new WeakMap<MessageSchema, SlicedDecoder[]>()

/**
 * Decodes a request as `requestCodec(api, version).decode` does, and yields after each slice of it (see
 * `Reader.sliceElements`). Nobody else may use the reader until it is done.
 */
export function decodeRequestInSlices<A extends Api>(
  api: A,
  version: number,
  reader: Reader,
): Generator<undefined, RequestOf<A>, undefined> {
  const schema: MessageSchema = api.request
  let byVersion = decoders.get(schema)
  if (byVersion === undefined) {
    byVersion = []
    decoders.set(schema, byVersion)
  }
  if (!includesVersion(schema.versions, version)) throw new ProtocolError('unsupported-version', 0, schema.name)
  byVersion[version] ??= compileSlicedDecoder(schema, version)
  return byVersion[version](reader) as Generator<undefined, RequestOf<A>, undefined>
}
