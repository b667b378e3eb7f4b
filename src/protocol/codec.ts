import { compileDecoder } from './compile-decoder.ts'
import { compileEncoder } from './compile-encoder.ts'
import type { Api, DecodedFields, EncodableFields, Fields, MessageSchema } from './notation.ts'
import { ProtocolError } from './protocol-error.ts'
import type { Reader } from './reader.ts'
import { includesVersion } from './version-range.ts'
import type { Writer } from './writer.ts'

/** Decodes and encodes one version of one message. Both throw ProtocolError and nothing else. */
export interface Codec<Decoded, Encodable> {
  readonly version: number
  /** Reads one message at the reader's position. Bytes behind it stay unread: see Reader.expectEnd. */
  decode(reader: Reader): Decoded
  /** Appends one message. After an error the writer holds a part of it: see Writer.abandonFrame. */
  encode(writer: Writer, value: Encodable): void
}

/** Compiles each direction when it is first asked for: a broker never decodes most responses. */
class LazyCodec implements Codec<unknown, unknown> {
  readonly version: number
  decode: (reader: Reader) => unknown
  encode: (writer: Writer, value: unknown) => void

  constructor(schema: MessageSchema, version: number) {
    this.version = version
    this.decode = reader => {
      this.decode = compileDecoder(schema, version)
      return this.decode(reader)
    }
    this.encode = (writer, value) => {
      this.encode = compileEncoder(schema, version)
      this.encode(writer, value)
    }
  }
}

const codecs = new WeakMap<MessageSchema, LazyCodec[]>()

/** The codec of one version of a message. Throws ProtocolError 'unsupported-version' outside the schema's versions. */
export function messageCodec<F extends Fields>(
  schema: MessageSchema<F>,
  version: number,
): Codec<DecodedFields<F>, EncodableFields<F>> {
  let byVersion = codecs.get(schema)
  if (byVersion === undefined) {
    byVersion = []
    codecs.set(schema, byVersion)
  }
  let codec = byVersion[version]
  if (codec === undefined) {
    if (!includesVersion(schema.versions, version)) throw new ProtocolError('unsupported-version', 0, schema.name)
    codec = byVersion[version] = new LazyCodec(schema, version)
  }
  return codec as unknown as Codec<DecodedFields<F>, EncodableFields<F>>
}

/** The codec of an API's requests in one version; the same object each time. */
export function requestCodec<Q extends Fields, S extends Fields>(
  api: Api<Q, S>,
  version: number,
): Codec<DecodedFields<Q>, EncodableFields<Q>> {
  return messageCodec(api.request, version)
}

/** The codec of an API's responses in one version; the same object each time. */
export function responseCodec<Q extends Fields, S extends Fields>(
  api: Api<Q, S>,
  version: number,
): Codec<DecodedFields<S>, EncodableFields<S>> {
  return messageCodec(api.response, version)
}
