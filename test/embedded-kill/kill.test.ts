// A writer of an embedded log is killed at random moments, also while a batch is open, some hundred times over one and the
// same log: every record whose append had returned is there, with what was appended, and nothing else is; what was flushed is there
// also without what only a killed process leaves behind.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Log } from '../../src/app/log.ts'
import { valueAt } from './values.ts'

const kills = Number(process.env.MILLRACE_KILLS ?? 300)
const firstSeed = Number(process.env.MILLRACE_SEED ?? (Date.now() % 1_000_000) * 1000)
const liveMsMax = 40
/** The program is built below the package, where it finds the addon. */
const builtBelow = fileURLToPath(new URL('../../build/embedded-kill/', import.meta.url))

let parent: string
let directory: string
let progress: string
let program: string

before(async () => {
  parent = mkdtempSync(join(tmpdir(), 'millrace-embedded-kill-'))
  directory = join(parent, 'log-0')
  progress = join(parent, 'progress')
  mkdirSync(builtBelow, { recursive: true })
  program = join(mkdtempSync(builtBelow), 'life.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('life.ts', import.meta.url))],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  })
})

after(() => {
  rmSync(parent, { recursive: true, force: true })
  rmSync(join(program, '..'), { recursive: true, force: true })
})

/** A life that ends by SIGKILL within some milliseconds of its log being open. Returns what it had promised. */
async function liveAndDie(seed: number): Promise<{ end: number; durable: number }> {
  const child = spawn(process.execPath, [program, directory, progress, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), exited])
  assert.equal(child.exitCode, null, `seed ${seed}: the writer did not come to open the log`)
  setTimeout(() => child.kill('SIGKILL'), (seed * 7919) % liveMsMax)
  const [code, signal] = (await exited) as [number | null, string | null]
  assert.equal(signal, 'SIGKILL', `seed ${seed}: the writer ended by itself, with ${code}`)
  const noted = readFileSync(progress)
  return { end: Number(noted.readBigInt64LE(0)), durable: Number(noted.readBigInt64LE(8)) }
}

/**
 * What `flushed` resolved for is in the segments by itself: a copy without the sidecar, as of a machine that went down
 * since, still has it.
 */
async function checkDurable(durable: number, seed: number): Promise<void> {
  const copy = join(parent, 'copy-0')
  cpSync(directory, copy, { recursive: true })
  rmSync(join(copy, 'open-batch'), { force: true })
  const notes = readFileSync(join(copy, 'embedded-log'), 'utf8')
  assert.match(notes, /^boot=[0-9a-f]{32}$/m)
  writeFileSync(join(copy, 'embedded-log'), notes.replace(/^boot=.*$/m, `boot=${'0'.repeat(32)}`))
  const log = await Log.open(copy)
  assert.ok(log.endOffset >= durable, `seed ${seed}: ${log.endOffset} of ${durable} durable records are there`)
  check(log, log.startOffset, seed)
  await log.close()
  rmSync(copy, { recursive: true })
}

function check(log: Log, from: number, seed: number): void {
  const cursor = log.cursor(Math.max(from, log.startOffset))
  let expected = Math.max(from, log.startOffset)
  for (; cursor.next(); expected++) {
    assert.equal(cursor.offset, expected, `seed ${seed}: offsets follow each other`)
    assert.ok(valueAt(expected).equals(cursor.value!), `seed ${seed}: the record ${expected} is what was appended`)
  }
  assert.equal(expected, log.endOffset, `seed ${seed}: the log can be read to its end`)
}

/** The largest batch of one call: of the last one any part may be there. */
const atOnce = 600

test(`a writer that is killed ${kills} times loses no record`, { timeout: 600_000 }, async t => {
  let checked = 0
  let openBatches = 0
  for (let kill = 0; kill < kills; kill++) {
    const seed = firstSeed + kill
    const { end, durable } = await liveAndDie(seed)
    // Readers find the open batch, too, while nobody has recovered the log.
    const reading = await Log.open(directory, { readOnly: true })
    assert.ok(reading.endOffset >= end, `seed ${seed}: a reader has ${reading.endOffset} of ${end}`)
    assert.ok(reading.durableOffset >= durable, `seed ${seed}: a reader is told of ${reading.durableOffset}`)
    await reading.close()
    if (kill % 5 === 0) await checkDurable(durable, seed)
    if (kill % 3 === 0) continue // The next life recovers by itself.
    if (readdirSync(directory).includes('open-batch')) openBatches++
    const log = await Log.open(directory)
    assert.ok(log.endOffset >= end, `seed ${seed}: ${log.endOffset} of ${end} records are there`)
    assert.ok(log.endOffset <= end + atOnce, `seed ${seed}: ${log.endOffset} records of ${end}`)
    check(log, kill % 20 === 1 ? 0 : checked, seed)
    checked = log.endOffset
    await log.close()
    assert.ok(!readdirSync(directory).includes('open-batch'), 'a clean close leaves no sidecar')
  }
  assert.ok(openBatches > 0)
  t.diagnostic(`${checked} records, ${kills} kills, seeds from ${firstSeed}`)
})
