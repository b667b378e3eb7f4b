import assert from 'node:assert/strict'
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { bounded, buildHouses, flip, type Houses, onCopy, removeHouses, runLog } from './support.ts'

const runs = {
  numRuns: Number(process.env.MILLRACE_PROPERTY_RUNS ?? 8),
  endOnFailure: true,
  includeErrorInReport: true,
}

/** Files whose damage nothing can put right, or that nothing reads. */
const beyondRepair = /meta\.properties|\.lock|\.boot_id|\.reserve|\.kafka_cleanshutdown|partition\.metadata|txnindex/

/** Every file of a data directory that holds anything. */
function filesOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true }) as string[]
  return names
    .filter(name => statSync(join(directory, name)).isFile() && statSync(join(directory, name)).size > 0)
    .sort()
}

describe('files that anything may have happened to', bounded, () => {
  let houses: Houses
  before(async () => {
    houses = await buildHouses()
  })
  after(() => removeHouses(houses))

  const damages = {
    'a flipped bit': (path: string, size: number, n: number) => flip(path, Math.floor(n / 8) % size, n % 8),
    'a cut end': (path: string, size: number, n: number) => truncateSync(path, n % size),
    'no file': (path: string) => rmSync(path),
    zeros: (path: string, size: number) => writeFileSync(path, new Uint8Array(size)),
    'something else': (path: string, size: number, n: number) =>
      writeFileSync(
        path,
        Uint8Array.from({ length: Math.min(size, 5000) }, (_, i) => (n * (i + 7)) >> (i % 13)),
      ),
  }

  for (const [name, damage] of Object.entries(damages))
    it(`are checked to the end, and mended, with ${name}`, async () => {
      const house = fc.constantFrom('clean' as const, 'holes' as const, 'killed' as const)
      await fc.assert(
        fc.asyncProperty(house, fc.nat(), fc.nat(), async (which, fileNumber, n) => {
          const all = filesOf(houses[which])
          const file = all[fileNumber % all.length]!
          await onCopy(houses[which], async copy => {
            const path = join(copy, file)
            damage(path, statSync(path).size, n)
            const place = `${name}: ${which} ${file} ${n}`
            const verified = await runLog(['verify', copy, '--json'])
            assert.ok(verified.code <= 1, place)
            assert.equal(verified.errors, '', place)
            assert.equal(verified.of('summary').length, 1, place)
            assert.equal(verified.code === 0, verified.of('finding').length === 0, place)
            if (/^plain-0.*\.log$/.test(file) && which === 'clean') assert.equal(verified.code, 1, place)
            for (const part of ['dump', 'dump --records', 'dump --files all --json'])
              assert.ok((await runLog([...part.split(' '), copy])).code <= 1, `${place}, ${part}`)
            const repaired = await runLog(['repair', copy, '--json', '--accept-data-loss'])
            assert.equal(repaired.errors, '', place)
            if (!beyondRepair.test(file)) {
              const after = await runLog(['verify', copy, '--json'])
              const left = after.of('finding').filter(finding => finding.severity !== 'harmless')
              assert.deepEqual(left, [], `${place}\n${verified.out}\n${repaired.out}`)
            }
            const again = await runLog(['repair', copy, '--json', '--accept-data-loss'])
            assert.deepEqual(again.of('mended'), [], `${place}: a second repair has nothing to do`)
          })
        }),
        runs,
      )
    })
})
