import { compileSlicedEncoder, type SlicedEncoder } from './compile-encoder.ts'
import type { Api, MessageSchema, ResponseInput } from './notation.ts'
import { ProtocolError } from './protocol-error.ts'
import { includesVersion } from './version-range.ts'
import type { Writer } from './writer.ts'

const encoders = new WeakMap<MessageSchema, SlicedEncoder[]>()

/**
 * Encodes a response as `responseCodec(api, version).encode` does, and yields after each `sliceElements` array elements
 * of it. Nobody else may use the writer until it is done.
 */
export function encodeResponseInSlices<A extends Api>(
  api: A,
  version: number,
  writer: Writer,
  response: ResponseInput<A>,
  sliceElements: number,
): Generator<undefined, void, undefined> {
  const schema: MessageSchema = api.response
  let byVersion = encoders.get(schema)
  if (byVersion === undefined) {
    byVersion = []
    encoders.set(schema, byVersion)
  }
  if (!includesVersion(schema.versions, version)) throw new ProtocolError('unsupported-version', 0, schema.name)
  byVersion[version] ??= compileSlicedEncoder(schema, version)
  return byVersion[version](writer, response, sliceElements)
}
