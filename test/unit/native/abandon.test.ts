import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { OpenTrust, type Storage, type StoredLog } from '../../../src/base/world.ts'
import { EngineStat } from '../../../src/native/addon.ts'
import { Engine } from '../../../src/native/engine.ts'
import { StatusCode } from '../../../src/native/status.ts'
import { openStorage } from '../../../src/native/storage.ts'
import {
  batchOf,
  bounded,
  collectUntil,
  logSettings,
  openDescriptors,
  openEngine,
  temporaryDirectory,
} from './support.ts'

const now = 1_700_000_000_000
const root = fileURLToPath(new URL('../../..', import.meta.url))

async function openMany(storage: Storage, directory: string, count: number): Promise<StoredLog[]> {
  const opened = Array.from({ length: count }, (_, index) =>
    storage.openLog(join(directory, `t-${index}`), logSettings, OpenTrust.clean, 0, 0),
  )
  return (await Promise.all(opened)).map(({ log }) => log)
}

/** In a function of its own, so that no variable keeps the logs. */
async function openAndForget(storage: Storage, directory: string, count: number): Promise<void> {
  for (const log of await openMany(storage, directory, count)) {
    assert.equal(log.appendBytes(batchOf(['a']), 0, now), StatusCode.ok)
  }
}

test('a thousand logs that nobody closed are closed, cleanly, when nobody holds them', bounded, async t => {
  const { engine, storage } = openEngine(t)
  const directory = temporaryDirectory(t)
  const count = 1000
  await openAndForget(storage, directory, count)
  assert.equal(engine.raw.stats()[EngineStat.openLogs], count)
  await collectUntil(() => engine.raw.stats()[EngineStat.openLogs] === 0, 'logs were left open')
  assert.equal(openDescriptors(directory), 0)
  const { report } = await storage.openLog(join(directory, 't-7'), logSettings, OpenTrust.clean, 1, 0)
  assert.equal(report.logEndOffset, 1)
})

test('a thousand regions that nobody gave back go with their engine, descriptors included', bounded, async t => {
  const directory = temporaryDirectory(t)
  const engine = new Engine()
  const storage = openStorage(engine)
  const logs = await openMany(storage, directory, 10)
  for (const log of logs) log.appendBytes(batchOf(['a']), 0, now)
  for (let index = 0; index < 1000; index++) assert.equal(logs[index % 10]!.read(0, 1000, 1, true), StatusCode.ok)
  for (const log of logs) await log.close(true)
  assert.equal(engine.raw.stats()[EngineStat.liveRegions], 1000)
  assert.ok(openDescriptors(directory) > 0)
  await storage.close()
  assert.equal(engine.raw.stats()[EngineStat.liveRegions], 0)
  assert.equal(openDescriptors(directory), 0)
})

test('a hundred engines opened and closed leave no descriptor', bounded, async t => {
  const { engine } = openEngine(t)
  const before = openDescriptors('')
  for (let index = 0; index < 100; index++) await new Engine().close()
  assert.ok(openDescriptors('') <= before, 'descriptors were left open')
  assert.equal(engine.raw.stats()[EngineStat.openLogs], 0)
})

/** Runs a script in a worker thread with the house built, and ends it as `end` says. */
async function runWorker(
  t: TestContext,
  directory: string,
  body: string,
  end: (worker: Worker) => unknown,
): Promise<void> {
  mkdirSync(directory, { recursive: true })
  const support = new URL('./support.ts', import.meta.url).href
  const source = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href
  const script = `
    import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
    register()
    const { parentPort } = await import('node:worker_threads')
    const { Engine } = await import(${JSON.stringify(source('native/engine.ts'))})
    const { openStorage } = await import(${JSON.stringify(source('native/storage.ts'))})
    const { openNetwork } = await import(${JSON.stringify(source('native/network.ts'))})
    const { batchOf, logSettings, networkSettings, Recorder } = await import(${JSON.stringify(support)})
    const engine = new Engine()
    const storage = openStorage(engine)
    const directory = ${JSON.stringify(directory)}
    const openLog = index => storage.openLog(directory + '/t-' + index, logSettings, ${OpenTrust.sameBoot}, 0, 0)
    ${body}
  `
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), { execArgv: [] })
  t.after(() => worker.terminate())
  const exited = new Promise(resolve => worker.once('exit', resolve))
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve())
    worker.once('error', reject)
  })
  end(worker)
  await exited
}

test('a worker that ends with everything open leaves no descriptor and no thread behind', bounded, async t => {
  const directory = temporaryDirectory(t)
  const threads = openDescriptors('anon_inode:[eventpoll]')
  const body = `
    const logs = await Promise.all(Array.from({ length: 100 }, (_, index) => openLog(index)))
    for (const { log } of logs) { log.appendBytes(batchOf(['a']), 0, ${now}); log.read(0, 100, 1, true); log.requestFlush() }
    const network = openNetwork(engine)
    network.start(networkSettings, new Recorder())
    network.listen('127.0.0.1', 0)
    parentPort.postMessage('open')
    process.exit(0)`
  await runWorker(t, directory, body, () => {})
  assert.equal(openDescriptors(directory), 0)
  assert.equal(openDescriptors('anon_inode:[eventpoll]'), threads)
})

test(
  'a worker that is terminated while logs are being opened and closed leaves no descriptor behind',
  bounded,
  async t => {
    const directory = temporaryDirectory(t)
    const body = `
    let count = 0
    const churn = async index => {
      for (;;) {
        const { log } = await openLog(index)
        log.appendBytes(batchOf(['a']), 0, ${now})
        log.requestFlush()
        if (++count === 20) parentPort.postMessage('busy')
        await log.close(count % 2 === 0)
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, index) => churn(index)))`
    for (let round = 0; round < 3; round++) {
      await runWorker(t, join(directory, `round-${round}`), body, worker => worker.terminate())
      assert.equal(openDescriptors(directory), 0)
    }
  },
)

test('a worker that is terminated while its engine closes ends', bounded, async t => {
  const directory = temporaryDirectory(t)
  const body = `
    const logs = await Promise.all(Array.from({ length: 50 }, (_, index) => openLog(index)))
    for (const { log } of logs) { log.appendBytes(batchOf(['a']), 0, ${now}); log.requestFlush() }
    storage.close()
    parentPort.postMessage('closing')`
  await runWorker(t, directory, body, worker => worker.terminate())
  assert.equal(openDescriptors(directory), 0)
})

/** Runs a program of its own; fails when it does not end by itself within ten seconds. */
function runProgram(directory: string, body: string): string {
  const source = (path: string): string => JSON.stringify(new URL(`../../../${path}`, import.meta.url).href)
  const script = `
    import { Engine } from ${source('src/native/engine.ts')}
    import { openStorage } from ${source('src/native/storage.ts')}
    import { batchOf, logSettings } from ${source('test/unit/native/support.ts')}
    const storage = openStorage(new Engine())
    const { log } = await storage.openLog(${JSON.stringify(join(directory, 'lines-0'))}, logSettings, ${OpenTrust.sameBoot}, 0, 0)
    const append = () => log.appendBytes(batchOf(['a']), 0, ${now})
    ${body}`
  const child = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: root,
    encoding: 'utf8',
    timeout: 10_000,
  })
  assert.equal(child.status, 0, `status ${child.status}, signal ${child.signal}: ${child.stderr}`)
  return child.stdout
}

test('a process that waits for nothing but a flush lives until it is announced, then ends', t => {
  const out = runProgram(
    temporaryDirectory(t),
    `storage.onDurable((_, offset) => console.log('durable', offset))
     append()
     log.requestFlush()`,
  )
  assert.equal(out, 'durable 1\n')
})

test('a process with an open log and nothing to wait for ends, also after a flush that a truncation overtook', t => {
  const directory = temporaryDirectory(t)
  assert.equal(runProgram(directory, `append(); console.log('end')`), 'end\n')
  runProgram(directory, `append(); append(); log.requestFlush(); log.truncateTo(1)`)
  runProgram(directory, `append(); log.requestFlush(); await log.close(false)`)
})

test('process.exit in the middle of everything ends the process', t => {
  const out = runProgram(
    temporaryDirectory(t),
    `for (let index = 0; index < 100; index++) append()
     log.requestFlush()
     log.read(0, 1000, 1, true)
     log.close(true)
     console.log('exit')
     process.exit(0)`,
  )
  assert.equal(out, 'exit\n')
})
