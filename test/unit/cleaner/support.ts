import assert from 'node:assert/strict'
import type { CompactionSettings, LogSettings } from '../../../src/base/world.ts'
import { LogCleaner } from '../../../src/cleaner/log-cleaner.ts'
import type { FromThread, ToThread } from '../../../src/cleaner/protocol.ts'
import type { CleanerSettings } from '../../../src/cleaner/settings.ts'
import type { LogKey } from '../../../src/log/log-key.ts'
import type { PartitionLog } from '../../../src/log/partition-log.ts'
import type { CleanedGroup, CleanTask } from '../../../src/native/cleaner.ts'
import { Machine } from '../../support/machine.ts'
import type { MemoryThread } from '../../support/memory-threads.ts'
import { batchOf } from '../../support/test-broker.ts'
import { appendFrame, idA, startLogs } from '../log/support.ts'

export const backoffMs = 15_000
export const compaction: CompactionSettings = {
  minCleanableRatio: 0.5,
  minLagMs: 0,
  maxLagMs: Number.MAX_SAFE_INTEGER,
  deleteRetentionMs: 86_400_000,
}
export const compacted: Partial<LogSettings> = { compaction, deletes: false }

/** The thread's side of the passes, played by a test. */
export class PlayedThreads {
  readonly asked: { readonly thread: MemoryThread; readonly message: ToThread }[] = []

  body(thread: MemoryThread) {
    return { onMessage: (message: unknown) => void this.asked.push({ thread, message: message as ToThread }) }
  }

  /** The pass that was asked for and not looked at yet. */
  next(): PlayedPass | undefined {
    const at = this.asked.findIndex(({ message }) => message.kind === 'clean')
    if (at < 0) return undefined
    const [{ thread, message }] = this.asked.splice(at, 1) as [(typeof this.asked)[number]]
    assert.ok(message.kind === 'clean')
    return new PlayedPass(this, thread, message.task, message.stop)
  }

  take(): PlayedPass {
    const pass = this.next()
    assert.ok(pass !== undefined, 'a pass was asked for')
    return pass
  }
}

export class PlayedPass {
  private readonly threads: PlayedThreads
  readonly thread: MemoryThread
  readonly task: CleanTask
  private readonly stop: Int32Array

  constructor(threads: PlayedThreads, thread: MemoryThread, task: CleanTask, stop: Int32Array) {
    this.threads = threads
    this.thread = thread
    this.task = task
    this.stop = stop
  }

  get name(): string {
    return this.task.directory.split('/').at(-1)!
  }
  get stopAsked(): boolean {
    return this.stop[0] !== 0
  }

  say(message: FromThread): void {
    this.thread.send(message)
  }

  group(bases: number[], more: Partial<CleanedGroup> = {}): void {
    this.say({ kind: 'group', group: { ...emptyGroup, bases, ...more } })
  }

  /** What was answered to the last group. */
  answer(): boolean {
    const at = this.threads.asked.findIndex(
      ({ thread, message }) => thread === this.thread && message.kind === 'replaced',
    )
    assert.ok(at >= 0, 'a group was answered')
    const [{ message }] = this.threads.asked.splice(at, 1) as [(typeof this.threads.asked)[number]]
    return message.kind === 'replaced' && message.go
  }

  done(cleanEndOffset = this.task.endOffset): void {
    this.say({ kind: 'done', map: { cleanEndOffset, keys: 1, bytesRead: 100, mapFill: 0.25 }, mapMs: 1 })
  }

  fail(code: string, message: string): void {
    this.say({ kind: 'failed', failure: { code, message, segment: -1, position: -1 } })
  }
}

const emptyGroup: CleanedGroup = {
  bases: [],
  bytesRead: 200,
  bytesWritten: 50,
  recordsRead: 4,
  recordsKept: 1,
  recordsWithoutKey: 0,
  batchesRead: 4,
  batchesKept: 1,
}

/** A process with logs and a cleaner whose threads a test plays. */
export async function startCleaning(
  given: { settings?: Partial<LogSettings>; cleaner?: Partial<CleanerSettings>; machine?: Machine } = {},
) {
  const machine = given.machine ?? new Machine()
  const started = await startLogs(machine, { ...compacted, ...given.settings })
  const { world, logs, logger } = started
  const played = new PlayedThreads()
  world.threads.body = thread => played.body(thread)
  const settings: CleanerSettings = {
    threads: 1,
    dedupeBufferBytes: 128 << 20,
    loadFactor: 0.9,
    maxBytesPerSecond: Number.MAX_SAFE_INTEGER,
    backoffMs,
    ...given.cleaner,
  }
  const state = { settings, unstable: new Map<number, number>() }
  const ended: LogKey[] = []
  const cleaner = new LogCleaner({
    world,
    logs: logs.compacted,
    logger,
    settings: () => state.settings,
    stableEnd: ({ partition }) => state.unstable.get(partition) ?? Number.MAX_SAFE_INTEGER,
    async onEnded(key) {
      ended.push(key)
    },
  })
  cleaner.start()
  /** One batch fills a segment. */
  const fill = async (log: PartitionLog, batches: number) => {
    for (let i = 0; i < batches; i++) appendFrame(world, log, batchOf(['x'.repeat(150)]))
    log.stored.requestFlush()
    await world.time.settle()
  }
  const openFilled = async (batches: number, partition = 0, id = idA) => {
    const log = await started.openLog(id, partition)
    await fill(log, batches)
    return log
  }
  const pass = async () => {
    await world.time.advance(backoffMs)
    return played.take()
  }
  const checkpoint = () =>
    new TextDecoder().decode(machine.files.get('/data/cleaner-offset-checkpoint') ?? new Uint8Array())
  return { ...started, machine, played, state, ended, cleaner, fill, openFilled, pass, checkpoint }
}
