import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RealThreads } from '../../../src/app/real-threads.ts'
import type { FromThread, ToThread } from '../../../src/cleaner/protocol.ts'

const task = {
  directory: '/nonexistent/t-0',
  segments: [{ baseOffset: 0, sizeBytes: 100 }],
  endOffset: 10,
  firstDirtyOffset: 0,
  mapBytes: 1 << 20,
  segmentBytes: 1 << 20,
  segmentIndexBytes: 1 << 20,
  indexIntervalBytes: 4096,
  maxMessageBytes: 1 << 20,
  deleteRetentionMs: 0,
  nowMs: 0,
  producers: [],
  bytesPerSecond: Number.POSITIVE_INFINITY,
}

/** A real thread, what it said, and how it ended. */
function start(options = {}) {
  const said: FromThread[] = []
  let tell = () => {}
  let onEnd: (error: Error | undefined) => void = () => {}
  const ended = new Promise<Error | undefined>(resolve => {
    onEnd = resolve
  })
  const thread = new RealThreads(options).start('cleaner', {
    onMessage(message) {
      said.push(message as FromThread)
      tell()
    },
    onEnd: error => onEnd(error),
  })
  const next = async (): Promise<FromThread> => {
    while (said.length === 0)
      await new Promise<void>(resolve => {
        tell = resolve
      })
    return said.shift()!
  }
  const clean = () => {
    const stop = new Int32Array(new SharedArrayBuffer(4))
    thread.post({ kind: 'clean', task, stop } satisfies ToThread)
  }
  return { thread, next, clean, ended }
}

test('a real thread runs the cleaner, tells what failed, serves on, and ends when it is asked to', async () => {
  const keepAlive = setInterval(() => {}, 1_000)
  try {
    const { thread, next, clean, ended } = start()
    for (let i = 0; i < 2; i++) {
      clean()
      const answer = await next()
      assert.equal(answer.kind, 'failed')
    }
    await thread.end()
    assert.equal(await ended, undefined)
  } finally {
    clearInterval(keepAlive)
  }
})

test('a thread that dies says of what', async () => {
  const keepAlive = setInterval(() => {}, 1_000)
  try {
    const { thread, ended } = start()
    // No message of the protocol: what happens then is a fault of the thread's own.
    thread.post(undefined)
    assert.match((await ended)?.message ?? '', /undefined/)
  } finally {
    clearInterval(keepAlive)
  }
})

test('a real thread keeps the process alive only where it is to', async () => {
  const ports = () => process.getActiveResourcesInfo().filter(name => name === 'MessagePort').length
  const before = ports()
  const { thread, next, clean } = start({ keepAlive: false })
  assert.equal(ports(), before)
  const keepAlive = setInterval(() => {}, 1_000)
  clean()
  await next()
  assert.equal(ports(), before)
  clearInterval(keepAlive)
  await thread.end()
})
