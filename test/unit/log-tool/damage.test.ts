import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import {
  batchesOf,
  bounded,
  buildHouses,
  flip,
  type Houses,
  OpenTrust,
  onCopy,
  type Placed,
  recordsOf,
  removeHouses,
  runLog,
  treeOf,
} from './support.ts'

const runs = {
  numRuns: Number(process.env.MILLRACE_PROPERTY_RUNS ?? 25),
  endOnFailure: true,
  includeErrorInReport: true,
}
const partitions = ['plain-0', 'codecs-0', 'compact-0'] as const

describe('a damaged log', bounded, () => {
  let houses: Houses
  /** What each house held, by partition. */
  const kept = new Map<string, Map<number, string>>()
  before(async () => {
    houses = await buildHouses()
    for (const house of ['clean', 'holes'] as const)
      for (const partition of partitions) {
        await onCopy(houses[house], async copy => {
          kept.set(`${house} ${partition}`, await recordsOf(copy, partition, OpenTrust.clean))
        })
      }
  })
  after(() => removeHouses(houses))

  /** After the repair nothing is wrong, and every record outside of `damaged` is served, wherever the broker trusts. */
  async function assertMended(
    copy: string,
    house: 'clean' | 'holes',
    partition: string,
    damaged: Placed | undefined,
  ): Promise<void> {
    const verified = await runLog(['verify', copy, '--json'])
    assert.equal(verified.code, 0, verified.out)
    for (const trust of [OpenTrust.clean, OpenTrust.reboot]) {
      const served = await recordsOf(copy, partition, trust)
      for (const [offset, value] of kept.get(`${house} ${partition}`)!) {
        const lost = damaged !== undefined && offset >= damaged.baseOffset && offset <= damaged.lastOffset
        if (!lost) assert.equal(served.get(offset), value, `offset ${offset}, trust ${trust}`)
        else if (served.has(offset)) assert.equal(served.get(offset), value, `offset ${offset} is what was written`)
      }
    }
  }

  /**
   * Whether a batch whose base offset has this bit flipped lies in a hole beside it: the offset is outside the checksum,
   * and where compaction has left holes nothing else tells what it was.
   */
  function fitsElsewhere(batches: readonly Placed[], batch: Placed, byte: number, bit: number): boolean {
    if (byte >= 8) return false
    const moved = Number(BigInt(batch.baseOffset) ^ (1n << BigInt(8 * (7 - byte) + bit)))
    const index = batches.indexOf(batch)
    const from = (batches[index - 1]?.lastOffset ?? -1) + 1
    const end = batches[index + 1]?.baseOffset ?? Number.POSITIVE_INFINITY
    return moved >= from && moved + (batch.lastOffset - batch.baseOffset) < end
  }

  it('is found at any flipped bit of its batches, and mended to all other records', async () => {
    const house = fc.constantFrom('clean' as const, 'holes' as const)
    await fc.assert(
      fc.asyncProperty(
        house,
        fc.constantFrom(...partitions),
        fc.nat(),
        fc.nat(),
        fc.boolean(),
        async (which, partition, n, bit, inHeader) => {
          const batches = batchesOf(join(houses[which], partition))
          const damaged = batches[n % batches.length]!
          const bytes = inHeader ? 61 : damaged.end - damaged.position
          const position = damaged.position + (Math.floor(bit / 8) % bytes)
          fc.pre(which === 'clean' || !fitsElsewhere(batches, damaged, position - damaged.position, bit % 8))
          await onCopy(houses[which], async copy => {
            flip(join(copy, partition, damaged.file), position, bit % 8)
            const place = `${which} ${partition} ${damaged.file} ${position} bit ${bit % 8} in the batch at ${damaged.position}`
            const found = await runLog(['verify', copy, '--json'])
            assert.equal(found.code, 1, `${place}\n${found.out}`)
            const tree = treeOf(copy)
            await runLog(['repair', copy, '--dry-run'])
            assert.deepEqual(treeOf(copy), tree, 'a dry run changes nothing')
            const careful = await runLog(['repair', copy, '--json'])
            if (careful.code !== 0) {
              assert.ok(careful.of('refused').length > 0, `${place}\n${careful.out}`)
              const accepted = await runLog(['repair', copy, '--json', '--accept-data-loss'])
              assert.equal(accepted.code, 0, `${place}\n${accepted.out}`)
            }
            await assertMended(copy, which, partition, careful.code === 0 ? undefined : damaged)
          })
        },
      ),
      runs,
    )
  })

  it('is found at every byte of a header, whichever batch it is of', async () => {
    for (const [which, partition] of [
      ['clean', 'codecs-0'],
      ['holes', 'compact-0'],
    ] as const)
      await onCopy(houses[which], async copy => {
        const directory = join(copy, partition)
        const batches = batchesOf(directory)
        for (const damaged of [batches[0]!, batches[4]!, batches.at(-1)!])
          for (let byte = 0; byte < 61; byte++) {
            const path = join(directory, damaged.file)
            flip(path, damaged.position + byte, byte % 8)
            const { code } = await runLog(['verify', directory, '--json'])
            assert.equal(code, 1, `${which} ${partition}: byte ${byte} of the batch at ${damaged.baseOffset}`)
            flip(path, damaged.position + byte, byte % 8)
          }
        assert.equal((await runLog(['verify', directory])).code, 0)
      })
  })
})
