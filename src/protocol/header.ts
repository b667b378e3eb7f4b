// Headers stand before every request and response. Their version follows from the API and its version, and a request's
// first eight bytes are the same in all of them, so that an unknown API or version can still be answered.

import type { Api } from './notation.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

export interface RequestStart {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
}
export interface RequestHeader extends RequestStart {
  readonly clientId: string | null
}

/** 0 has no client id (ControlledShutdown of old brokers only); 1 adds it; 2 adds tagged fields. */
export type RequestHeaderVersion = 0 | 1 | 2
export type ResponseHeaderVersion = 0 | 1

const apiVersionsKey = 18
const controlledShutdownKey = 7

export function requestHeaderVersion(
  api: Pick<Api, 'key' | 'flexibleSince'>,
  apiVersion: number,
): RequestHeaderVersion {
  if (api.key === controlledShutdownKey && apiVersion === 0) return 0
  return apiVersion >= api.flexibleSince ? 2 : 1
}

/** ApiVersions answers always in header 0: a client must be able to read them before it knows the broker. */
export function responseHeaderVersion(
  api: Pick<Api, 'key' | 'flexibleSince'>,
  apiVersion: number,
): ResponseHeaderVersion {
  return api.key !== apiVersionsKey && apiVersion >= api.flexibleSince ? 1 : 0
}

/** Reads what every request starts with and leaves the reader where it was. Throws ProtocolError below eight bytes. */
export function peekRequest(reader: Reader): RequestStart {
  const { view, position } = reader
  if (reader.end - position < 8) reader.fail('truncated', position, 'requestHeader')
  return {
    apiKey: view.getInt16(position),
    apiVersion: view.getInt16(position + 2),
    correlationId: view.getInt32(position + 4),
  }
}

/** Reads a request's header; the reader then stands at the request itself. */
export function decodeRequestHeader(reader: Reader, headerVersion: RequestHeaderVersion): RequestHeader {
  const { apiKey, apiVersion, correlationId } = peekRequest(reader)
  reader.position += 8
  const clientId = headerVersion === 0 ? null : readClientId(reader)
  if (headerVersion === 2) reader.position = reader.skipTags(reader.position, reader.end, 'requestHeader')
  return { apiKey, apiVersion, correlationId, clientId }
}

/** The client id has a two-byte length in every header version, also in the otherwise compact one. */
function readClientId(reader: Reader): string | null {
  const start = reader.position
  if (reader.end - start < 2) reader.fail('truncated', start, 'clientId')
  const length = reader.view.getInt16(start)
  if (length < -1) reader.fail('invalid-length', start, 'clientId')
  reader.position = start + 2
  if (length === -1) return null
  if (reader.end - reader.position < length) reader.fail('truncated', start, 'clientId')
  const clientId = reader.string(reader.position, length, 'clientId')
  reader.position += length
  return clientId
}

export function encodeRequestHeader(writer: Writer, header: RequestHeader, headerVersion: RequestHeaderVersion): void {
  writer.int16(header.apiKey, 'apiKey')
  writer.int16(header.apiVersion, 'apiVersion')
  writer.int32(header.correlationId, 'correlationId')
  if (headerVersion === 0) return
  if (header.clientId === null) writer.nullString(false)
  else writer.string(header.clientId, false, 'clientId')
  if (headerVersion === 2) writer.uvarint(0)
}

/** Reads a response's header and returns its correlation id. */
export function decodeResponseHeader(reader: Reader, headerVersion: ResponseHeaderVersion): number {
  if (reader.remaining < 4) reader.fail('truncated', reader.position, 'correlationId')
  const correlationId = reader.view.getInt32(reader.position)
  reader.position += 4
  if (headerVersion === 1) reader.position = reader.skipTags(reader.position, reader.end, 'responseHeader')
  return correlationId
}

export function encodeResponseHeader(
  writer: Writer,
  correlationId: number,
  headerVersion: ResponseHeaderVersion,
): void {
  writer.int32(correlationId, 'correlationId')
  if (headerVersion === 1) writer.uvarint(0)
}
