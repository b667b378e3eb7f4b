// The notation of the schema tables. A table is plain data: the compiler turns it into codecs, the types below turn it
// into TypeScript types, and the conformance test compares it with the published message definitions.

import type { ErrorCode } from './error-code.ts'
import type { RecordsInput, RecordsView } from './records-field.ts'
import type { Uuid } from './uuid.ts'
import { parseVersions, type VersionRange } from './version-range.ts'

export type ScalarKind =
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'int64clamped'
  | 'int64exact'
  | 'float64'
  | 'boolean'
  | 'string'
  | 'bytes'
  | 'uuid'
  | 'records'

/** `Decoded` is what a decoder yields, `Encodable` what an encoder takes; neither exists at run time. */
export interface ScalarType<Decoded = unknown, Encodable = unknown> {
  readonly kind: ScalarKind
  readonly phantom?: { readonly decoded: Decoded; readonly encodable: Encodable }
}
export interface ArrayType<Element extends WireType = WireType> {
  readonly kind: 'array'
  readonly element: Element
}
export interface StructType<F extends Fields = Fields> {
  readonly kind: 'struct'
  readonly fields: F
}
/** Null is allowed from version `since` on. */
export interface NullableType<Inner extends ValueType = ValueType> {
  readonly kind: 'nullable'
  readonly inner: Inner
  readonly since: number
}
export type ValueType = ScalarType | AnyArray | AnyStruct
export type WireType = ValueType | AnyNullable
// Indirections that let the types above refer to themselves.
interface AnyArray {
  readonly kind: 'array'
  readonly element: WireType
}
interface AnyStruct {
  readonly kind: 'struct'
  readonly fields: Fields
}
interface AnyNullable {
  readonly kind: 'nullable'
  readonly inner: ValueType
  readonly since: number
}

export interface Field {
  readonly type: WireType
  /** First version that carries the field. */
  readonly since: number
  /** Last version that carries it, where there is one. */
  readonly until?: number
  /** Value of the field where the version, or the sender of a tagged field, leaves it out; else zero, '', [] and so on. */
  readonly ifAbsent?: number | bigint | string | boolean | null
  /** Carried as a tagged field with this number, in flexible versions. */
  readonly tag?: number
  /** May be dropped silently when the version lacks it; setting any other absent field is an error. */
  readonly ignorable?: true
}
/** Key order is wire order. */
export type Fields = { readonly [name: string]: Field }

const scalar = <D, E = D>(kind: ScalarKind): ScalarType<D, E> => ({ kind })

export const int8 = scalar<number>('int8')
export const int16 = scalar<number>('int16')
export const uint16 = scalar<number>('uint16')
export const int32 = scalar<number>('int32')
export const uint32 = scalar<number>('uint32')
/** A 64-bit integer that is a safe number by meaning: offsets, timestamps, epochs. Beyond that the decoder refuses. */
export const int64 = scalar<number>('int64')
/**
 * A limit or a point in time that a peer may set beyond all bounds: past what a number holds exactly it decodes to the
 * largest (smallest) safe integer, which means the same. Only for values that are compared, never stored or echoed.
 */
export const int64clamped = scalar<number>('int64clamped')
/** A 64-bit integer that uses its whole range: producer ids, hashes. */
export const int64exact = scalar<bigint>('int64exact')
export const float64 = scalar<number>('float64')
export const boolean = scalar<boolean>('boolean')
export const string = scalar<string>('string')
/** Decodes to a copy: the frame's memory is reused. */
export const bytes = scalar<Uint8Array>('bytes')
export const uuid = scalar<Uuid>('uuid')
/** Record batches: decodes to a place in the frame and encodes from bytes or a file region, never touching the payload. */
export const records = scalar<RecordsView, RecordsInput>('records')
/** An int16 that holds one of Kafka's error codes. */
export const errorCode = scalar<ErrorCode>('int16')

export const array = <const T extends WireType>(element: T): ArrayType<T> => ({ kind: 'array', element })
export const struct = <const F extends Fields>(fields: F): StructType<F> => ({ kind: 'struct', fields })
export const nullable = <const T extends ValueType>(inner: T, since = 0): NullableType<T> => ({
  kind: 'nullable',
  inner,
  since,
})

/** The value a decoder yields for a type. */
export type Decoded<T> =
  T extends NullableType<infer Inner>
    ? Decoded<Inner> | null
    : T extends ArrayType<infer Element>
      ? Decoded<Element>[]
      : T extends StructType<infer F>
        ? DecodedFields<F>
        : T extends ScalarType<infer D, unknown>
          ? D
          : never
export type DecodedFields<F extends Fields> = { -readonly [K in keyof F]: Decoded<F[K]['type']> }

/** The value an encoder takes for a type: fields that are not in every version, or have an `ifAbsent`, may be left out. */
export type Encodable<T> =
  T extends NullableType<infer Inner>
    ? Encodable<Inner> | null
    : T extends ArrayType<infer Element>
      ? readonly Encodable<Element>[]
      : T extends StructType<infer F>
        ? EncodableFields<F>
        : T extends ScalarType<unknown, infer E>
          ? E
          : never
export type EncodableFields<F extends Fields> = {
  readonly [K in keyof F as IsRequired<F[K]> extends true ? K : never]: Encodable<F[K]['type']>
} & {
  readonly [K in keyof F as IsRequired<F[K]> extends true ? never : K]?: Encodable<F[K]['type']> | undefined
}
type IsRequired<F extends Field> = F extends { readonly since: 0 }
  ? F extends { readonly until: number } | { readonly tag: number } | { readonly ifAbsent: unknown }
    ? false
    : true
  : false

/** Fields with the versions they are valid in: one direction of an API, or a message outside any API. */
export interface MessageSchema<F extends Fields = Fields> {
  readonly name: string
  readonly versions: VersionRange
  /** First flexible version, Infinity where there is none. */
  readonly flexibleSince: number
  readonly fields: F
}

export interface Api<Q extends Fields = Fields, S extends Fields = Fields> {
  readonly key: number
  readonly name: string
  readonly versions: VersionRange
  readonly flexibleSince: number
  /** The newest version is still open to change and is served only where the operator asks for it. */
  readonly latestVersionUnstable: boolean
  readonly request: MessageSchema<Q>
  readonly response: MessageSchema<S>
}

export interface ApiTable<Q extends Fields, S extends Fields> {
  readonly key: number
  readonly name: string
  /** '3-13', or '0' for a single one. */
  readonly versions: string
  /** '9+', or 'none'. */
  readonly flexible: string
  readonly latestVersionUnstable?: true
  readonly request: Q
  readonly response: S
}

/** Declares an API. Nothing is compiled before a codec of it is first used. */
export function defineApi<const Q extends Fields, const S extends Fields>(table: ApiTable<Q, S>): Api<Q, S> {
  const versions = parseVersions(table.versions)
  const flexibleSince = parseFlexible(table.flexible)
  return {
    key: table.key,
    name: table.name,
    versions,
    flexibleSince,
    latestVersionUnstable: table.latestVersionUnstable === true,
    request: { name: `${table.name}Request`, versions, flexibleSince, fields: table.request },
    response: { name: `${table.name}Response`, versions, flexibleSince, fields: table.response },
  }
}

/** Declares a message that belongs to no API: group metadata inside other fields, coordinators' records. */
export function defineMessage<const F extends Fields>(table: {
  readonly name: string
  readonly versions: string
  readonly flexible: string
  readonly fields: F
}): MessageSchema<F> {
  return {
    name: table.name,
    versions: parseVersions(table.versions),
    flexibleSince: parseFlexible(table.flexible),
    fields: table.fields,
  }
}

/** A record of a coordinator's own topic: keys start with the record's type, values with their version. */
export interface RecordSchema<K extends Fields = Fields, V extends Fields = Fields> {
  readonly type: number
  readonly name: string
  readonly key: MessageSchema<K>
  readonly value: MessageSchema<V>
}

/** Declares a coordinator's record. Keys have one version, so that equal keys have equal bytes. */
export function defineRecord<const K extends Fields, const V extends Fields>(table: {
  readonly type: number
  readonly name: string
  readonly key: K
  /** The versions of the value. */
  readonly versions: string
  readonly flexible: string
  readonly value: V
}): RecordSchema<K, V> {
  const { type, name, versions, flexible } = table
  return {
    type,
    name,
    key: defineMessage({ name: `${name}Key`, versions: '0', flexible: 'none', fields: table.key }),
    value: defineMessage({ name: `${name}Value`, versions, flexible, fields: table.value }),
  }
}

function parseFlexible(text: string): number {
  return text === 'none' ? Number.POSITIVE_INFINITY : parseVersions(text).min
}

/** What decoding a request yields: every field, those absent from the version with their `ifAbsent` value. */
export type RequestOf<A extends Api> = A extends Api<infer Q, Fields> ? DecodedFields<Q> : never
/** What decoding a response yields. */
export type ResponseOf<A extends Api> = A extends Api<Fields, infer S> ? DecodedFields<S> : never
/** What encoding a request takes. */
export type RequestInput<A extends Api> = A extends Api<infer Q, Fields> ? EncodableFields<Q> : never
/** What encoding a response takes: a handler's answer. */
export type ResponseInput<A extends Api> = A extends Api<Fields, infer S> ? EncodableFields<S> : never
/** What decoding a message outside any API yields, and what encoding it takes. */
export type MessageOf<M extends MessageSchema> = M extends MessageSchema<infer F> ? DecodedFields<F> : never
export type MessageInput<M extends MessageSchema> = M extends MessageSchema<infer F> ? EncodableFields<F> : never
