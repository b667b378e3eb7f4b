import { remedy } from './finding.ts'
import type { Gap, LogState, PartitionFacts } from './log-state.ts'

/** What the walk over a log's batches, all of it, comes to. */

export function tellGap(log: LogState, { file, position, from, to }: Gap): void {
  if (log.holes) return
  const message = `offsets ${from} to ${to - 1} are missing, in a log that shows no sign of compaction`
  log.found('data', 'offset-gap', file, { position, offset: from }, message, remedy.acceptLoss)
}

/** What the damages mean depends on what was known to be durable. */
export function tellDamages(facts: PartitionFacts): void {
  const { log } = facts
  for (const segment of log.segments) {
    const file = `${log.name}${segment.path.slice(segment.path.lastIndexOf('/'))}`
    for (const { position, end, fromOffset, toOffset, atEnd, torn, message } of segment.damages) {
      const place = { position, offset: fromOffset }
      if (atEnd && log.context.live) {
        log.context.note({ file, message: `what lies behind position ${position} is being written` })
      } else if (torn && nothingDurable(facts)) {
        const text = `the last append is incomplete, ${end - position} bytes from offset ${fromOffset} on: ${message}`
        log.found('rebuilt', 'batch-incomplete', file, place, text, remedy.torn)
      } else {
        const held = toOffset > fromOffset ? `offsets ${fromOffset} to ${toOffset - 1}` : `offset ${fromOffset} and on`
        const text = `a batch is damaged, ${end - position} bytes of ${held}: ${message}`
        log.found('data', 'batch-damaged', file, place, text, remedy.acceptLoss)
      }
    }
  }
}

/** Whether what lies behind the log's sound end can have been acknowledged by nobody. */
export function nothingDurable(facts: PartitionFacts): boolean {
  const { context, log } = facts
  return !context.closedCleanly && (context.recoveryPoint ?? 0) <= log.expected
}

/** Checkpoints against the log. */
export function checkBounds(facts: PartitionFacts): void {
  const { context, log, logEnd } = facts
  const { recoveryPoint, logStart, cleanerOffset } = context
  const first = log.segments[0]
  if (first === undefined) return
  const emptied = logStart !== undefined && logStart > logEnd
  if (emptied) {
    facts.logStartWrong = true
    const message = `the log is said to begin at ${logStart}, and it ends at ${logEnd}: the next start would remove all of it`
    log.found('data', 'log-start', log.name, { offset: logStart }, message, remedy.repair)
  } else if (logStart !== undefined && first.baseOffset > logStart && (recoveryPoint ?? 0) > logStart) {
    const message = `the log is said to begin at ${logStart}, and its first segment begins at ${first.baseOffset}`
    facts.logStartWrong = true
    log.found(
      'data',
      'log-start',
      log.name,
      { offset: logStart },
      `${message}: segments are missing`,
      remedy.acceptLoss,
    )
  }
  if (recoveryPoint !== undefined && recoveryPoint > logEnd) {
    facts.recoveryPointWrong = true
    const message = `the log ends at ${logEnd}, and offsets below ${recoveryPoint} were known to be on the disk`
    log.found('data', 'log-end', log.name, { offset: logEnd }, message, remedy.acceptLoss)
  } else if (context.closedCleanly && recoveryPoint !== undefined && recoveryPoint < logEnd) {
    facts.recoveryPointWrong = true
    const message = `the log was closed cleanly at offset ${recoveryPoint}, and ends at ${logEnd}`
    log.found('data', 'log-end', log.name, { offset: recoveryPoint }, message, remedy.writer)
  }
  if (cleanerOffset !== undefined && cleanerOffset > logEnd) {
    facts.cleanerOffsetWrong = true
    const message = `the cleaner is said to have come to ${cleanerOffset}, and the log ends at ${logEnd}`
    log.found('rebuilt', 'checkpoint', log.name, { offset: cleanerOffset }, message, remedy.repair)
  }
}
