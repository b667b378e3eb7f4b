import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What each prints, apart from what differs from run to run. */
const printed: Readonly<Record<string, RegExp>> = {
  'log.ts':
    /^offsets 0 to 4 are on the disk\n0 null hello\n1 user-1 signed in\n2 null one\n3 null two\n4 null three\n$/,
  'cursor.mjs': /^100000 records, 1288890 bytes\n10000 of them end in 9\noffset 50000: reading 50000\n$/,
  'follow.mjs': /^the reader has 0: first\nthe reader has 1: second\nthe reader has 2: last\n$/,
  'broker.ts': /^on the disk as offset 0; serving 127\.0\.0\.1:\d+\ncustomer-7 \{"item":"tea"\}\n$/,
}

describe('the examples', () => {
  for (const [name, expected] of Object.entries(printed)) {
    it(`${name} runs to its end`, { timeout: 60_000 }, () => {
      const args = ['--import', 'tsx', join(root, 'examples', name)]
      const { stdout, stderr, status } = spawnSync(process.execPath, args, {
        cwd: root,
        encoding: 'utf8',
        timeout: 60_000,
      })
      assert.match(stdout, expected, stderr)
      assert.equal(status, 0, stderr)
    })
  }

  it('are all run here, and hold to the types', () => {
    assert.deepEqual(readdirSync(join(root, 'examples')).sort(), Object.keys(printed).sort())
    const options =
      '--noEmit --strict --target ES2022 --lib ES2023,ESNext.Disposable --module NodeNext --types node --ignoreConfig'
    const sources = Object.keys(printed).filter(name => name.endsWith('.ts'))
    const args = [...options.split(' '), '--skipLibCheck', ...sources.map(name => join('examples', name))]
    const checked = spawnSync(join(root, 'node_modules/.bin/tsc'), args, { cwd: root, encoding: 'utf8' })
    assert.equal(checked.status, 0, checked.stdout)
  })
})
