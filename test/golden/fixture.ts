import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'

/** A request and its answer as they were on the wire, in hex, headers included and the length prefix left off. */
export interface Exchange {
  readonly api: number
  readonly version: number
  readonly request: string
  /** Null where the protocol gives no answer: Produce with acks=0. */
  readonly response: string | null
}

/** What one client and one broker said to each other; written by `capture/record.ts`. */
export interface Fixture {
  readonly client: string
  readonly version: string
  readonly broker: string
  readonly exchanges: readonly Exchange[]
}

/** `frame` with ones in place of what is random in it: ids of topics as bytes, the cluster's as text. */
export function blank(frame: Uint8Array, secrets: readonly Uint8Array[]): Buffer {
  const blanked = Buffer.from(frame)
  for (const secret of secrets)
    for (let at = blanked.indexOf(secret); at >= 0; at = blanked.indexOf(secret, at + secret.length))
      blanked.fill('1', at, at + secret.length)
  return blanked
}

const fixturesDir = new URL('./fixtures/', import.meta.url)

/** The fixture of this name, whatever version it was recorded with. */
export function readFixture(name: string): Fixture {
  const file = readdirSync(fixturesDir).find(each => each.startsWith(`${name}-`))
  assert.ok(file !== undefined, `${name} is recorded`)
  return JSON.parse(readFileSync(new URL(file, fixturesDir), 'utf8')) as Fixture
}
