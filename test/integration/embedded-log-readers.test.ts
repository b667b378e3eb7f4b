// Readers in another process and in another thread while the files of removed segments become the log's next ones.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Log } from '../../src/app/log.ts'

const module = new URL('../../src/app/log.ts', import.meta.url).href
// Node 20 keeps a loader of TypeScript out of a thread's first module.
const register = `(await import('${import.meta.resolve('tsx/esm/api')}')).register()`

const boundMs = 30_000
const recordsAtOnce = 32
const followed = 4000
/** Of ext4 and xfs, where files are used again. */
const recyclingFileSystems = [0xef53, 0x58465342]

const textOf = (offset: number): string => `${offset} `.padEnd(1000, `${offset % 10}`)

/** Holds views of the first segment; says whether they stayed; then follows the log and says where it ended. */
const reader = (directory: string): string => `
  const textOf = ${textOf.toString()}
  const { Log } = await import(${JSON.stringify(module)})
  const log = await Log.open(${JSON.stringify(directory)}, { readOnly: true })
  const cursor = log.cursor()
  const held = []
  while (held.length < 20 && cursor.next()) held.push(cursor.value)
  say('holds')
  await told()
  const intact = held.filter((view, offset) => view.toString() === textOf(offset)).length
  say('intact ' + intact)
  const to = Number(await told())
  let next = log.startOffset
  while (next < to) {
    try {
      for await (const { offset, value } of log.read({ from: next, to, live: true })) {
        if (offset !== next || value.toString() !== textOf(offset)) throw new Error(offset + ' where ' + next + ' is next')
        next++
      }
    } catch (error) {
      if (error.code !== 'MILLRACE_OFFSET_OUT_OF_RANGE') throw error
      next = Math.min(log.startOffset, to) // It was too slow: retention has passed it.
    }
  }
  await log.close()
  say('followed ' + next)`

interface Elsewhere {
  tell(word: string): void
  readonly ended: Promise<unknown>
}

/** Files by base offset: a number that is given to a new file again does not look the same. */
function filesOf(directory: string): Map<number, string> {
  const files = new Map<number, string>()
  for (const name of readdirSync(directory).filter(each => each.endsWith('.log'))) {
    const facts = statSync(join(directory, name), { bigint: true, throwIfNoEntry: false })
    if (facts !== undefined) files.set(Number.parseInt(name, 10), `${facts.ino} ${facts.birthtimeNs}`)
  }
  return files
}

async function readsElsewhere(begin: (directory: string, heard: (word: string) => void) => Elsewhere): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-readers-'))
  const log = await Log.open(directory, {
    ...{ segmentBytes: 64 << 10, retentionBytes: 256 << 10, sealAgeMs: 5, flushAgeMs: 5 },
  })
  try {
    let turns = 0
    /** One by one, which stores them into the mapped segment, and by one call, which writes them. */
    const append = () => {
      const first = log.endOffset
      const values = Array.from({ length: recordsAtOnce }, (_, index) => textOf(first + index))
      if (turns++ % 2 === 1) log.appendBatch(values)
      else for (const value of values) log.append(value)
    }
    const words: string[] = []
    let wake: () => void = () => {}
    const elsewhere = begin(directory, word => {
      words.push(word)
      wake()
    })
    const hears = async (): Promise<string> => {
      while (words.length === 0) {
        const more = new Promise<string>(resolve => (wake = () => resolve('more')))
        if ((await Promise.race([more, elsewhere.ended])) !== 'more') assert.notEqual(words.length, 0, 'it has ended')
      }
      return words.shift()!
    }
    append()
    assert.equal(await hears(), 'holds')
    const heldFile = filesOf(directory).get(0)
    assert.notEqual(heldFile, undefined)

    // A file comes again under another base offset: not the one that is held.
    const lives = new Map<string, number>()
    const recycles = recyclingFileSystems.includes(statfsSync(directory).type)
    let again = 0
    const late = Date.now() + boundMs
    const use = async (enough: () => boolean) => {
      while (!enough() && Date.now() < late) {
        append()
        for (const [base, file] of filesOf(directory)) {
          if (base > 0) assert.notEqual(file, heldFile, `the file that is read became segment ${base}`)
          const known = lives.get(file)
          if (known !== undefined && known !== base) again++
          lives.set(file, base)
        }
        await sleep(1)
      }
    }
    await use(() => log.startOffset > 0 && (again >= 4 || !recycles))
    assert.ok(log.startOffset > 0)
    if (recycles) assert.ok(again >= 4, `${again} files were used again`)
    elsewhere.tell('look')
    assert.equal(await hears(), 'intact 20')

    const to = log.endOffset + followed
    const before = again
    elsewhere.tell(String(to))
    await use(() => log.endOffset >= to && (again > before || !recycles))
    assert.equal(await hears(), `followed ${to}`)
    if (recycles) assert.ok(again > before)
    assert.equal(await elsewhere.ended, 0)
  } finally {
    await log.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

test('another process reads on while files are used again, and keeps what it reads', {
  timeout: 2 * boundMs,
}, async () => {
  await readsElsewhere((directory, heard) => {
    const script = `
      const say = word => process.send(word)
      const told = () => new Promise(resolve => process.once('message', resolve))
      ${reader(directory)}
      process.disconnect()`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    child.on('message', (word: string) => heard(word))
    return { tell: word => void child.send(word), ended: once(child, 'close').then(([code]) => code as number) }
  })
})

test('another thread reads on while files are used again, and keeps what it reads', {
  timeout: 2 * boundMs,
}, async () => {
  await readsElsewhere((directory, heard) => {
    const script = `
      const { parentPort } = require('node:worker_threads')
      const say = word => parentPort.postMessage(word)
      const told = () => new Promise(resolve => parentPort.once('message', resolve))
      ;(async () => { ${register}; ${reader(directory)} })()`
    const worker = new Worker(script, { eval: true, execArgv: [] })
    worker.on('message', heard)
    return { tell: word => worker.postMessage(word), ended: once(worker, 'exit').then(([code]) => code as number) }
  })
})
