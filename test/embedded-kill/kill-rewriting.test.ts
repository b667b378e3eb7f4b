// A writer of a compacted log, compressed now by this codec and now by that, is killed while its segments are rewritten: the
// last record of every key is there, in its order, and the next open finishes or forgets what the pass had begun.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Log } from '../../src/app/log.ts'
import { keyAt, keysRepeatAfter, valueAt } from './values.ts'

const kills = Number(process.env.MILLRACE_REWRITING_KILLS ?? 25)
const firstSeed = Number(process.env.MILLRACE_SEED ?? (Date.now() % 1_000_000) * 1000)
const liveMsMax = 500
/** The program is built below the package, where it finds the addon and the codecs. */
const builtBelow = fileURLToPath(new URL('../../build/embedded-kill/', import.meta.url))
const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

let parent: string
let directory: string
let built: string

before(async () => {
  parent = mkdtempSync(join(tmpdir(), 'millrace-rewriting-kill-'))
  directory = join(parent, 'log-0')
  mkdirSync(builtBelow, { recursive: true })
  built = mkdtempSync(builtBelow)
  await build({
    entryPoints: {
      'rewritten-life': source('rewritten-life.ts'),
      'cleaner-thread': source('../../src/app/cleaner-thread.ts'),
    },
    outdir: built,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  })
})

after(() => {
  rmSync(parent, { recursive: true, force: true })
  rmSync(built, { recursive: true, force: true })
})

/** A life that ends by SIGKILL; returns how far the log had come. */
async function liveAndDie(seed: number): Promise<number> {
  const progress = join(parent, 'progress')
  const child = spawn(process.execPath, [join(built, 'rewritten-life.js'), directory, progress, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), exited])
  assert.equal(child.exitCode, null, `seed ${seed}: the writer did not come to open the log`)
  setTimeout(() => child.kill('SIGKILL'), (seed * 7919) % liveMsMax)
  // Meanwhile this process reads the segments that the other one rewrites.
  const reading = await Log.open(directory, { readOnly: true })
  while (child.exitCode === null && child.signalCode === null) {
    walk(reading, seed)
    await new Promise(resolve => setImmediate(resolve))
  }
  await reading.close()
  const [code, signal] = (await exited) as [number | null, string | null]
  assert.equal(signal, 'SIGKILL', `seed ${seed}: the writer ended by itself, with ${code}`)
  const noted = readFileSync(progress)
  return noted.length === 8 ? Number(noted.readBigInt64LE(0)) : 0
}

const rewriting = (): string[] => readdirSync(directory).filter(name => /cleaned|swap/.test(name))

/** Each record is what was appended, and in its order; the last offset of each key. */
function walk(log: Log, seed: number): { found: Map<string, number>; records: number } {
  const found = new Map<string, number>()
  const cursor = log.cursor()
  let records = 0
  for (let last = -1; cursor.next(); last = cursor.offset, records++) {
    assert.ok(cursor.offset > last, `seed ${seed}: ${cursor.offset} comes after ${last}`)
    assert.equal(String(cursor.key), keyAt(cursor.offset))
    assert.ok(valueAt(cursor.offset).equals(cursor.value!), `seed ${seed}: the record ${cursor.offset} is another one`)
    found.set(String(cursor.key), cursor.offset)
  }
  return { found, records }
}

function check(log: Log, seed: number): number {
  const { found, records } = walk(log, seed)
  const latest = new Map<string, number>()
  for (let offset = Math.max(log.endOffset - keysRepeatAfter, 0); offset < log.endOffset; offset++)
    latest.set(keyAt(offset), offset)
  for (const [key, offset] of latest) assert.equal(found.get(key), offset, `seed ${seed}: the last record of ${key}`)
  return records
}

test(`a writer that is killed ${kills} times while segments are rewritten loses no key`, {
  timeout: 300_000,
}, async t => {
  let end = 0
  let begun = 0
  let records = 0
  for (let kill = 0; kill < kills; kill++) {
    const seed = firstSeed + kill
    const noted = await liveAndDie(seed)
    if (rewriting().length > 0) begun++
    // Readers do without a writer's recovery.
    const reading = await Log.open(directory, { readOnly: true })
    assert.ok(reading.endOffset >= noted, `seed ${seed}: a reader has ${reading.endOffset} of ${noted}`)
    check(reading, seed)
    await reading.close()
    if (kill % 3 === 0) continue // The next life recovers by itself.
    const log = await Log.open(directory)
    assert.deepEqual(rewriting(), [], `seed ${seed}: an open leaves nothing half done`)
    assert.ok(log.endOffset >= noted && log.endOffset >= end, `seed ${seed}: ${log.endOffset} of ${noted} are there`)
    end = log.endOffset
    records = check(log, seed)
    await log.close()
  }
  t.diagnostic(`${records} records of ${end}, ${begun} of ${kills} kills during a pass, seeds from ${firstSeed}`)
  assert.ok(begun > 0 && records < end, `${records} of ${end} records are left`)
})
