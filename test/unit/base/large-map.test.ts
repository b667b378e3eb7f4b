import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LargeMap } from '../../../src/base/large-map.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

test('a map of many entries is a map, while they come and go', () => {
  const random = new SeededRandom(3)
  const map = new LargeMap<bigint, number>()
  const expected = new Map<bigint, number>()
  for (let step = 0; step < 150_000; step++) {
    const key = BigInt(random.below(70_000))
    if (random.below(4) === 0) {
      map.delete(key)
      expected.delete(key)
    } else {
      map.set(key, step)
      expected.set(key, step)
    }
  }
  assert.equal(map.size, expected.size)
  for (let key = 0n; key < 70_000n; key++) {
    assert.equal(map.get(key), expected.get(key))
    assert.equal(map.has(key), expected.has(key))
  }
  assert.deepEqual(new Map(map), expected)
})

test('no part of it grows beyond what a turn can move, and room that came back is used', () => {
  const map = new LargeMap<number, number>()
  const parts = () => (map as unknown as { parts: Map<number, number>[] }).parts
  for (let key = 0; key < 100_000; key++) map.set(key, key)
  assert.equal(parts().length, 7)
  assert.ok(parts().every(({ size }) => size <= 16_384))
  for (let key = 0; key < 50_000; key++) map.delete(key)
  for (let key = 100_000; key < 140_000; key++) map.set(key, key)
  assert.equal(parts().length, 7)
})

test('who is there all the time comes once as it is gone through, whoever comes and goes meanwhile', () => {
  const map = new LargeMap<number, number>()
  for (let key = 0; key < 60_000; key++) map.set(key, key)
  const seen = new Map<number, number>()
  let more = 60_000
  for (const [key] of map) {
    seen.set(key, (seen.get(key) ?? 0) + 1)
    if (key >= 60_000) continue
    if (key % 3 === 0) map.delete((key + 30_000) % 60_000)
    map.set(more++, 0)
  }
  for (let key = 0; key < 60_000; key++) if (key % 3 !== 0) assert.equal(seen.get(key), 1, String(key))
})
