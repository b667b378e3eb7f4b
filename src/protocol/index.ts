// The protocol layer's surface. Tables are imported one by one from ./schema/<api>.ts, so that a broker loads only
// those it serves; ./all-apis.ts lists them all, for tools and tests.

export { apiName, knownApiKeys } from './apis.ts'
export { type Codec, messageCodec, requestCodec, responseCodec } from './codec.ts'
export { ErrorCode, errorMessage, errorName, isErrorCode, isRetriable } from './error-code.ts'
export {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestHeader,
  encodeResponseHeader,
  peekRequest,
  type RequestHeader,
  type RequestHeaderVersion,
  type RequestStart,
  type ResponseHeaderVersion,
  requestHeaderVersion,
  responseHeaderVersion,
} from './header.ts'
export {
  type Api,
  defineApi,
  defineMessage,
  defineRecord,
  type Fields,
  type MessageInput,
  type MessageOf,
  type MessageSchema,
  type RecordSchema,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from './notation.ts'
export { ProtocolError, type ProtocolErrorReason } from './protocol-error.ts'
export { Reader } from './reader.ts'
export type { FileRegion, RecordsInput, RecordsView } from './records-field.ts'
export { decodeRequestInSlices } from './sliced-decoder.ts'
export { encodeResponseInSlices } from './sliced-encoder.ts'
export { isUuid, type Uuid, uuidFromBytes, uuidToBytes, writeUuid, zeroUuid } from './uuid.ts'
export { includesVersion, parseVersions, type VersionRange } from './version-range.ts'
export { decodeRecordKey, decodeVersioned, encodeRecordKey, encodeVersioned, peekInt16 } from './versioned.ts'
export { type Split, Writer } from './writer.ts'
