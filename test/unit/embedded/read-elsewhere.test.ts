import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { Log } from '../../../src/app/log.ts'

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-elsewhere-'))
})
after(() => rmSync(directory, { recursive: true, force: true }))

const module = new URL('../../../src/app/log.ts', import.meta.url).href
// Node 20 keeps a loader of TypeScript out of a thread's first module.
const register = `(await import('${import.meta.resolve('tsx/esm/api')}')).register()`
const last = 3000
const value = (offset: number): string => `${offset}`.padEnd(60, '.')

/** Follows the log in `process.argv` or `workerData` from its start, and answers with what it saw. */
const follower = (directory: string): string => `
  const { Log } = await import(${JSON.stringify(module)})
  const log = await Log.open(${JSON.stringify(directory)}, { readOnly: true })
  say('ready')
  let next = 0
  for await (const { offset, value } of log.read({ live: true, to: ${last} })) {
    if (offset !== next || value.toString() !== String(offset).padEnd(60, '.')) throw new Error('offset ' + offset)
    if (++next % 1000 === 0) say(String(next))
  }
  const cursor = log.cursor()
  let views = 0
  while (cursor.next()) if (cursor.value.toString() === String(cursor.offset).padEnd(60, '.')) views++
  say('read ' + (views >= ${last}))
  await log.close()
`

/** Writes records while \`follower\` follows; resolves with the last thing that it says. */
async function follow(name: string, begin: (directory: string, heard: (word: string) => void) => Promise<unknown>) {
  const path = join(directory, name)
  const log = await Log.open(path, { segmentBytes: 1 << 16 })
  const words: string[] = []
  let wake: () => void = () => {}
  const ended = begin(path, word => {
    words.push(word)
    wake()
  })
  const heard = async (word: string) => {
    while (!words.includes(word)) {
      await Promise.race([new Promise<void>(resolve => (wake = resolve)), ended])
      if (words.at(-1) === undefined) await ended
    }
  }
  await heard('ready')
  for (let offset = 0; offset < last; offset++) {
    log.append(value(offset))
    // What was appended is seen before anything more is: also while its batch is open.
    if ((offset + 1) % 1000 === 0) await heard(`${offset + 1}`)
  }
  await ended
  await log.close()
  return words.at(-1)
}

test('another process reads what is appended, as it is appended', async () => {
  const word = await follow('process', async (path, heard) => {
    const script = `const say = word => console.log(word)\n${follower(path)}`
    const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n')) if (line !== '') heard(line)
    })
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 0)
  })
  assert.equal(word, 'read true')
})

test('a worker thread reads what is appended, as it is appended', async () => {
  const word = await follow('worker', async (path, heard) => {
    const script = `
      const say = word => require('node:worker_threads').parentPort.postMessage(word)
      ;(async () => { ${register}; ${follower(path)} })()`
    const worker = new Worker(script, { eval: true, execArgv: [] })
    worker.on('message', heard)
    const [code] = (await once(worker, 'exit')) as [number]
    assert.equal(code, 0)
  })
  assert.equal(word, 'read true')
})

test('a worker that ends in the middle of its reading leaves nothing that others would notice', async () => {
  const path = join(directory, 'ended')
  const log = await Log.open(path)
  for (let offset = 0; offset < 100; offset++) log.append(value(offset))
  for (let round = 0; round < 2; round++) {
    const script = `
      ;(async () => {
        ${register}
        const { Log } = await import(${JSON.stringify(module)})
        const log = await Log.open(${JSON.stringify(path)}, { readOnly: true })
        const cursor = log.cursor()
        cursor.next()
        globalThis.kept = cursor.value
        require('node:worker_threads').parentPort.postMessage('reads')
        for await (const record of log.read({ live: true })) globalThis.last = record
      })()`
    const worker = new Worker(script, { eval: true, execArgv: [] })
    await once(worker, 'message')
    await worker.terminate()
  }
  assert.equal(log.append('more'), 100)
  await log.close()
})

test('a view keeps the log that nobody closed, and when it goes the log goes', async () => {
  const path = join(directory, 'abandoned')
  const writer = await Log.open(path)
  writer.append('kept')
  await writer.close()
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const turn = () => new Promise(resolve => setImmediate(resolve))
  const lend = async () => {
    const cursor = (await Log.open(path, { readOnly: true })).cursor()
    cursor.next()
    return cursor.value!
  }
  let lent: Buffer | undefined = await lend()
  for (let i = 0; i < 3; i++) {
    gc()
    await turn()
  }
  assert.equal(lent.toString(), 'kept')
  const memory = new WeakRef(lent.buffer)
  lent = undefined
  // Asking keeps it until the turn is over.
  const gone = async () => {
    gc()
    await turn()
    return memory.deref() === undefined
  }
  let collected = false
  for (let i = 0; i < 20 && !collected; i++) {
    await turn()
    collected = await gone()
  }
  assert.equal(collected, true)
})
