import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sortNames } from '../../../src/api/sort-names.ts'
import { TurnShare } from '../../../src/api/turn-share.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

for (const count of [0, 1, 511, 512, 513, 5_000])
  test(`${count} names come sorted, each once, from the place that was asked`, async () => {
    const random = new SeededRandom(count)
    const names = Array.from({ length: count }, () => `${'aZé_'[random.below(4)]!}${random.below(count)}`)
    let turns = 0
    const share = new TurnShare({ nextTurn: async () => void turns++ })
    for (const from of ['', 'a1', 'zz']) {
      const expected = [...new Set(names)].sort().filter(name => name >= from)
      assert.deepEqual(await sortNames(names, from, share), expected)
    }
    if (count === 5_000) assert.ok(turns >= 10, `${turns} turns`)
  })
