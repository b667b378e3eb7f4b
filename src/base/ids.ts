import { assert } from './assert.ts'

declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** A position in a partition's log. End offsets are exclusive, "last" offsets inclusive. */
export type Offset = Branded<number, 'Offset'>
/** How often a partition's leadership has changed; stamped into every batch (KIP-101, KIP-320). */
export type LeaderEpoch = Branded<number, 'LeaderEpoch'>
/** Exact 64 bits, as a producer sends it; -1 when it is not idempotent. */
export type ProducerId = bigint

export function offset(value: number): Offset {
  assert(Number.isSafeInteger(value) && value >= 0, 'an offset is a non-negative integer', { value })
  return value as Offset
}

export function leaderEpoch(value: number): LeaderEpoch {
  assert(Number.isInteger(value) && value >= -1, 'a leader epoch is an integer from -1', { value })
  return value as LeaderEpoch
}

/** `offset` moved by `count` records. */
export function advance(from: Offset, count: number): Offset {
  return offset(from + count)
}
