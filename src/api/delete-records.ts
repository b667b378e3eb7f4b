import type { Logger } from '../base/logger.ts'
import type { Timer, Timers } from '../base/world.ts'
import { ErrorCode, type RequestOf } from '../protocol/index.ts'
import { deleteRecords } from '../protocol/schema/delete-records.ts'
import type { RecordDeletion } from '../replication/record-deletion.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * DeleteRecords v0-2: records below an offset (-1: the high watermark) are gone for every reader when they are answered,
 * and durably so; their files go with the whole segments they fill. An offset above the high watermark is
 * OFFSET_OUT_OF_RANGE, one below the log start changes nothing. A partition named twice goes by its last offset, as in
 * Kafka. What is not done within `timeoutMs` is REQUEST_TIMED_OUT: what was begun goes on, the rest stays.
 */
export function serveDeleteRecords(deletion: RecordDeletion, timers: Timers, logger: Logger): ApiHandler {
  return serve(deleteRecords, { min: 0, max: 2, wide: true }, async (request, context) => {
    const share = new TurnShare(context)
    const answers = new Map<string, Map<number, Answer>>()
    let waiting: Answer[] = []
    const deadline = new Deadline(timers, request.timeoutMs)
    context.onAbort(() => deadline.cancel())
    for (const { name, partitions } of request.topics) {
      const ofTopic = answers.get(name) ?? new Map<number, Answer>()
      answers.set(name, ofTopic)
      for (const { partitionIndex, offset } of partitions) {
        const asked: Answer = { topic: name, partitionIndex, offset, lowWatermark: -1, errorCode: timedOut }
        ofTopic.set(partitionIndex, asked)
        const due = share.spend()
        if (due !== undefined) await due
      }
    }
    for (const ofTopic of answers.values())
      for (const asked of ofTopic.values()) {
        waiting.push(asked)
        if (waiting.length < atOnce) continue
        await deadline.orDone(waiting.map(trim))
        waiting = []
        // Refusals need no disk: without this they would all be of one turn.
        const due = share.spend(unitsPerPartition * atOnce)
        if (due !== undefined) await due
      }
    await deadline.orDone(waiting.map(trim))
    deadline.cancel()
    const topics = []
    for (const [name, ofTopic] of answers) {
      const partitions = []
      for (const { partitionIndex, lowWatermark, errorCode } of ofTopic.values()) {
        partitions.push({ partitionIndex, lowWatermark, errorCode })
        const due = share.spend()
        if (due !== undefined) await due
      }
      topics.push({ name, partitions })
    }
    return { throttleTimeMs: 0, topics }

    async function trim(asked: Answer): Promise<void> {
      if (deadline.over) return
      try {
        const { code, lowWatermark } = await deletion.deleteBefore(asked.topic, asked.partitionIndex, asked.offset)
        asked.errorCode = code
        asked.lowWatermark = lowWatermark
      } catch (error) {
        const { topic, partitionIndex } = asked
        logger.error({ topic, partition: partitionIndex, error: String(error) }, 'records could not be deleted')
        asked.errorCode = ErrorCode.KAFKA_STORAGE_ERROR
      }
    }
  })
}

/** Partitions whose new starts are made durable together; what one turn then does for them is bounded likewise. */
const atOnce = 128
const unitsPerPartition = 5
const timedOut = ErrorCode.REQUEST_TIMED_OUT

type AskedPartition = RequestOf<typeof deleteRecords>['topics'][number]['partitions'][number]

interface Answer extends AskedPartition {
  readonly topic: string
  lowWatermark: number
  errorCode: ErrorCode
}

/** The end of a client's patience. */
class Deadline {
  over = false
  private readonly timer: Timer
  private readonly passed: Promise<void>

  constructor(timers: Timers, timeoutMs: number) {
    let end = () => {}
    this.passed = new Promise(resolve => {
      end = resolve
    })
    this.over = timeoutMs <= 0
    if (this.over) end()
    this.timer = timers.after(timeoutMs, () => {
      this.over = true
      end()
    })
  }

  async orDone(work: readonly Promise<void>[]): Promise<void> {
    await Promise.race([Promise.all(work), this.passed])
  }

  cancel(): void {
    this.timer.cancel()
  }
}
