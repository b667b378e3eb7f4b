import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { bounded, buildHouses, type Houses, removeHouses, runLog } from './support.ts'

describe('millrace log verify', bounded, () => {
  let houses: Houses
  before(async () => {
    houses = await buildHouses()
  })
  after(() => removeHouses(houses))

  for (const which of ['clean', 'killed', 'holes'] as const)
    it(`finds nothing in a directory that is ${which}`, async () => {
      const { code, out, errors, of } = await runLog(['verify', houses[which], '--json'])
      assert.deepEqual(of('finding'), [])
      assert.equal(code, 0, out + errors)
      assert.equal(of('partition').length, 6)
    })
})
