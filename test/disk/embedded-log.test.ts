/** A log in an app on a disk that gets full, or whose syncs fail: what is refused, and what is there afterwards. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { Log } from '../../src/app/log.ts'
import { atEnd } from './lib/clean-up.ts'
import { Faults, withoutCompiler } from './lib/faults.ts'
import { cannotMount, FileSystem } from './lib/file-system.ts'

const module = new URL('../../src/app/log.ts', import.meta.url).href
const codeOf = (failure: unknown): string | undefined => (failure as { code?: string }).code

const valueAt = (offset: number): string => `${offset} `.padEnd(100_000, 'x')

/** Appends until the disk is full; says what refused the last record, which has taken no offset. */
function fill(log: Log): string | undefined {
  for (;;) {
    const next = log.endOffset
    try {
      log.append(valueAt(next))
    } catch (failure) {
      assert.equal(log.endOffset, next, 'what is refused takes no offset')
      return codeOf(failure)
    }
  }
}

async function assertWhole(log: Log): Promise<void> {
  let next = log.startOffset
  for await (const { offset, value } of log.read()) {
    assert.equal(offset, next++)
    assert.equal(String(value), valueAt(offset))
  }
  assert.equal(next, log.endOffset)
}

for (const kind of ['ext4', 'tmpfs'] as const) {
  test(`a full disk (${kind}) refuses records, keeps what was taken, and takes more where some was removed`, {
    skip: cannotMount() ?? false,
    timeout: 90_000,
  }, async t => {
    const disk = FileSystem.mount(t, { megabytes: 24, kind })
    const directory = join(disk.path, 'log-0')
    const log = await Log.open(directory, { segmentBytes: 1 << 20 })
    assert.equal(fill(log), 'MILLRACE_NO_SPACE')
    // What was got ready in the background for a record that did not fit may have been given back by now.
    assert.equal(fill(log), 'MILLRACE_NO_SPACE')
    const full = log.endOffset
    assert.ok(full > 150, `${full} records of 100 kB in 24 MB`)
    await log.flushed()
    await assertWhole(log)
    await log.truncateBefore(full - 50)
    const late = Date.now() + 60_000
    while (log.endOffset < full + 100 && Date.now() < late) {
      fill(log) // Segments are removed in the background, whoever has read them.
      await new Promise(resolve => setImmediate(resolve))
    }
    assert.ok(log.endOffset >= full + 100, `${log.endOffset - full} records more`)
    await assertWhole(log)
    await log.close()
    const again = await Log.open(directory)
    await assertWhole(again)
    await again.close()
  })
}

/** Works with a log in `process.argv[2]`: says a word a line, and goes on when it is told to. */
const program = `
  const { Log } = await import(${JSON.stringify(module)})
  const lines = (await import('node:readline')).createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  const log = await Log.open(process.argv[1], { sealAgeMs: 60_000, flushAgeMs: 60_000 })
  for (let i = 0; i < 10; i++) log.append('record ' + i)
  await log.flushed()
  console.log('ready')
  await lines.next()
  const outcome = {}
  log.append('in doubt')
  outcome.flushed = await log.flushed().then(() => 'durable', error => error.code)
  outcome.known = await log.flushed(9).then(() => 'durable', error => error.code)
  try {
    outcome.appended = log.append('after')
  } catch (error) {
    outcome.appended = error.code
  }
  outcome.end = log.endOffset
  outcome.durable = log.durableOffset
  outcome.read = 0
  for await (const { value } of log.read({ to: 10 })) outcome.read += String(value).startsWith('record ')
  outcome.closed = await log.close().then(() => 'closed', error => error.code)
  console.log(JSON.stringify(outcome))
  process.exit(0)
`

test('a sync that fails is told to whoever waits, nothing is taken after it, and what was durable stays', {
  skip: withoutCompiler,
  timeout: 90_000,
}, async t => {
  const parent = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  atEnd(t, () => rmSync(parent, { recursive: true, force: true }))
  const directory = join(parent, 'log-0')
  const faults = Faults.prepare(t)
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...faults.env },
  })
  atEnd(t, () => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  assert.equal((await lines.next()).value, 'ready')
  const fault = faults.inject({ calls: ['fsync'], path: '/log-0/', error: constants.errno.EIO })
  child.stdin.end('go on\n')
  const outcome = JSON.parse((await lines.next()).value ?? '{}') as Record<string, unknown>
  assert.ok(fault.hits() > 0)
  assert.deepEqual(outcome, {
    flushed: 'MILLRACE_IO_ERROR',
    known: 'durable',
    appended: 'MILLRACE_FAILED',
    end: 11,
    durable: 10,
    read: 10,
    closed: 'MILLRACE_FAILED',
  })
  fault.end()
  const log = await Log.open(directory)
  const values: string[] = []
  for await (const { value } of log.read()) values.push(String(value))
  assert.deepEqual(
    values.slice(0, 10),
    Array.from({ length: 10 }, (_, i) => `record ${i}`),
  )
  assert.ok(values.length <= 11)
  await log.close()
})
