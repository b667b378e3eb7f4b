// 1,000 opens and closes, then 1,000 logs that nobody closes: neither leaves descriptors or memory. Arguments: the package,
// a directory.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'

const [entry, directory] = process.argv.slice(2)
const { Log } = await import(entry)
const count = 1_000
const leakMegabytes = 24
const limitMs = 60_000

const collect = globalThis.Bun === undefined ? globalThis.gc : () => globalThis.Bun.gc(true)
const descriptors = () => readdirSync('/proc/self/fd').length
const threads = () => readdirSync('/proc/self/task').length

async function settled() {
  for (let turn = 0; turn < 5; turn++) {
    collect()
    await setImmediate()
  }
}

/** Resident megabytes, once memory that was given back has gone. */
async function resident() {
  await settled()
  return process.memoryUsage.rss() / 1e6
}

async function openAndClose(times) {
  for (let at = 0; at < times; at++) {
    const log = await Log.open(`${directory}/closed`)
    log.append('x')
    const cursor = log.cursor(0)
    assert.ok(cursor.next() && cursor.value.length === 1)
    await log.close()
  }
}

async function abandon(first, times) {
  for (let at = first; at < first + times; at++) {
    const log = await Log.open(`${directory}/abandoned-${at}`, { segmentBytes: 1 << 20 })
    log.append('x')
  }
}

/** The collector decides when; a log that is let go of takes a turn more. */
async function until(holds, what) {
  for (const since = performance.now(); !holds(); ) {
    assert.ok(performance.now() - since < limitMs, what())
    await settled()
    await setTimeout(10)
  }
}

mkdirSync(directory, { recursive: true })
await openAndClose(100)
await settled()
const [files, running, before] = [descriptors(), threads(), await resident()]
await openAndClose(count)
await until(
  () => descriptors() <= files,
  () => `${descriptors() - files} descriptors are left of ${count} opens and closes`,
)
await until(
  () => threads() <= running,
  () => `${threads() - running} threads are left`,
)
const grown = (await resident()) - before
assert.ok(grown < leakMegabytes, `${grown.toFixed(1)} MB are left of ${count} opens and closes`)

await abandon(0, 100)
await until(
  () => descriptors() <= files,
  () => `${descriptors() - files} descriptors are left of 100 abandoned logs`,
)
const beforeAbandoned = await resident()
await abandon(100, count)
await until(
  () => descriptors() <= files,
  () => `${descriptors() - files} descriptors are left of ${count} abandoned logs`,
)
const left = (await resident()) - beforeAbandoned
assert.ok(left < leakMegabytes, `${left.toFixed(1)} MB are left of ${count} abandoned logs`)
const taken = await Log.open(`${directory}/abandoned-500`)
assert.equal(taken.endOffset, 1, 'what was appended to an abandoned log is there')
await taken.close()
rmSync(directory, { recursive: true })
console.log('done')
