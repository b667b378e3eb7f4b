import { type Entry, errorCode, errorText, readWhole } from './files.ts'
import { remedy } from './finding.ts'
import { OffsetIndexCheck, TimeIndexCheck } from './index-check.ts'
import { type IndexContent, indexBytesMax, indexContent, offsetEntryBytes, timeEntryBytes } from './index-entries.ts'
import {
  type CheckContext,
  LogState,
  type PartitionContext,
  type PartitionFacts,
  type SegmentFacts,
  type Snapshot,
} from './log-state.ts'
import { checkBounds, tellDamages, tellGap } from './log-verdict.ts'
import { classify, isRepairDirectory } from './names.ts'
import { SegmentCheck } from './segment-check.ts'
import { SegmentReader } from './segment-reader.ts'
import { checkEpochs, checkSnapshot, readEpochs, readSnapshot, readTopicId } from './side-files.ts'
import { SegmentNames } from './swaps.ts'
import { checkAborted, markerKey } from './txn-index.ts'

/** Checks every file of one partition's directory. */
export async function checkPartition(shared: CheckContext, context: PartitionContext): Promise<PartitionFacts> {
  const log = new LogState(shared, context.name)
  log.compacted = context.compacted
  log.closed = context.closedCleanly
  if (context.closedCleanly && context.recoveryPoint !== undefined) log.knownEnd = context.recoveryPoint
  const entries = listEntries(log, context.path)
  const facts: PartitionFacts = {
    context,
    log,
    segments: log.segments,
    entries,
    names: new SegmentNames(entries),
    logEnd: -1,
    leftovers: [],
    badSnapshots: [],
    epochsWrong: false,
    metadataWrong: false,
    recoveryPointWrong: false,
    logStartWrong: false,
    cleanerOffsetWrong: false,
  }
  // Beside a running broker: what tells of the log is read before it, so that it never tells of more.
  const epochs = context.isMetadataLog ? 'missing' : readEpochs(log, context.path)
  if (!context.isMetadataLog) checkTopicId(facts)
  sortEntries(facts)
  for (let at = 0; at < log.segments.length; at++) await checkOneSegment(facts, at)
  facts.logEnd = log.segments.length === 0 ? -1 : log.expected
  while (log.snapshots.length > 0) judgeSnapshot(facts, log.snapshots.shift()!)
  for (const gap of log.gaps) tellGap(log, gap)
  tellDamages(facts)
  if (!context.isMetadataLog && log.segments.length > 0)
    facts.epochsWrong = checkEpochs(log, epochs, context.logStart ?? log.epochs?.[0]?.startOffset ?? 0, facts.logEnd)
  if (!shared.live) checkBounds(facts)
  return facts
}

function listEntries(log: LogState, path: string): Entry[] {
  try {
    return log.context.files.list(path)
  } catch (error) {
    log.found(
      'data',
      'unreadable',
      log.name,
      {},
      `the directory cannot be listed: ${errorText(error)}`,
      'check permissions and the disk',
    )
    return []
  }
}

function checkTopicId(facts: PartitionFacts): void {
  const { context, log } = facts
  const told = readTopicId(log, context.path, context.topicId !== undefined)
  facts.metadataWrong = told === undefined
  if (told === undefined || context.topicId === undefined || told === context.topicId) return
  const message = `it names topic ${told}, and the metadata say that this is ${context.topicId}: the next start sets the directory aside as a stray`
  const next = 'find out which topic the records belong to, then write its id into the file'
  log.found('data', 'partition-metadata', `${log.name}/partition.metadata`, {}, message, next)
}

/** Finds the segments, and tells of what else lies in the directory. */
function sortEntries(facts: PartitionFacts): void {
  const { log, context, entries } = facts
  const { names } = facts
  const bases = new Set(names.bases())
  const snapshots: number[] = []
  for (const { name, kind } of entries) {
    const file = classify(name)
    if (kind === 'file' && file.kind === 'snapshot') snapshots.push(file.offset)
  }
  for (const { name, kind, sizeBytes } of entries) {
    const shown = `${log.name}/${name}`
    const file = classify(name)
    if (kind === 'directory' && isRepairDirectory(name)) {
      log.context.note({ file: shown, message: 'what an earlier repair took away' })
    } else if (kind !== 'file') {
      const message = `it is ${kind === 'directory' ? 'a directory' : 'no plain file'}, and is not looked into`
      log.found('harmless', 'foreign-entry', shown, {}, message, remedy.look)
    } else if (file.kind === 'aside') {
      log.context.note({ file: shown, message: `${sizeBytes} bytes that were cut off and kept` })
    } else if (isUnderWay(facts, name)) {
      log.context.note({ file: shown, message: 'the next start puts it in order' })
    } else if (file.kind === 'leftover' && file.of === 'temporary' && !log.closed) {
      log.context.note({ file: shown, message: 'it was being written when the broker was killed' })
    } else if (file.kind === 'leftover') {
      const message = `it was left by an interrupted ${file.of === 'temporary' ? 'write' : file.of}`
      facts.leftovers.push(name)
      log.found(
        'harmless',
        'leftover',
        shown,
        {},
        message,
        'nothing needs to be done: the next start removes it, and millrace log repair moves it aside',
      )
    } else if (
      (file.kind === 'index' || file.kind === 'timeindex' || file.kind === 'txnindex') &&
      !bases.has(file.offset)
    ) {
      facts.leftovers.push(name)
      log.found('harmless', 'leftover', shown, {}, 'it belongs to no segment', remedy.repair)
    } else if (file.kind === 'other') {
      log.context.note({ file: shown, message: 'no file of a log' })
    }
  }
  log.snapshots = snapshots
    .sort((a, b) => a - b)
    .flatMap(offset => {
      const snapshot = readSnapshot(log, context.path, offset)
      if (snapshot === undefined) facts.badSnapshots.push(offset)
      return snapshot ?? []
    })
  log.newestSnapshot = log.snapshots[log.snapshots.length - 1]?.offset ?? 0
  for (const baseOffset of bases)
    log.segments.push({
      baseOffset,
      path: `${context.path}/${names.of(baseOffset, 'log')}`,
      sizeBytes: 0,
      contentBytes: 0,
      endOffset: baseOffset,
      damages: [],
      patches: [],
      indexWrong: false,
      timeIndexWrong: false,
      txnIndexWrong: false,
      aborted: [],
    })
  if (bases.size === 0 && (context.recoveryPoint ?? 0) > (context.logStart ?? 0))
    log.found(
      'data',
      'log-end',
      log.name,
      { offset: context.recoveryPoint },
      `there is no segment, and the log was known to reach offset ${context.recoveryPoint}`,
      remedy.acceptLoss,
    )
}

/** What a start finishes or removes as a matter of course. */
function isUnderWay({ log, names }: PartitionFacts, name: string): boolean {
  const file = classify(name)
  const { live } = log.context
  if (file.kind === 'prepared' || file.kind === 'swap') return true
  if (file.kind === 'leftover') return live || names.awaitsSwap(name)
  return 'offset' in file && file.kind !== 'snapshot' && names.isReplaced(file.offset)
}

async function checkOneSegment(facts: PartitionFacts, at: number): Promise<void> {
  const { log, context } = facts
  const segment = log.segments[at]!
  const file = `${log.name}/${facts.names.of(segment.baseOffset, 'log')}`
  const nextBase = log.segments[at + 1]?.baseOffset
  if (at === 0) log.expected = segment.baseOffset
  if (segment.baseOffset < log.expected && log.context.live) {
    log.context.note({ file, message: 'compaction has put another segment in its place meanwhile' })
    return
  }
  if (segment.baseOffset < log.expected)
    log.found(
      'data',
      'segment-overlap',
      file,
      { position: 0, offset: segment.baseOffset },
      `the segment begins with ${segment.baseOffset}, and the one before ends at ${log.expected}`,
      remedy.writer,
    )
  if (segment.baseOffset > log.expected) {
    const { leaderEpoch } = log
    log.gaps.push({
      file,
      segmentBase: segment.baseOffset,
      position: 0,
      from: log.expected,
      to: segment.baseOffset,
      leaderEpoch,
    })
    log.expected = segment.baseOffset
  }
  // Both indexes before the batches that they tell of: beside a running broker they only grow.
  const index = openIndex(facts, segment, 'index', nextBase)
  const timeIndex = openIndex(facts, segment, 'timeindex', nextBase)
  const markers = new Set<string>()
  let opened: ReturnType<CheckContext['files']['open']>
  try {
    opened = log.context.files.open(segment.path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && log.context.live) {
      // Retention or compaction took it meanwhile.
      log.sawLoss = true
      if (nextBase !== undefined) log.expected = nextBase
      return
    }
    log.found(
      'data',
      'unreadable',
      file,
      {},
      `it cannot be opened: ${errorText(error)}`,
      'check permissions and the disk',
    )
    return
  }
  segment.sizeBytes = opened.sizeBytes
  try {
    const reader = new SegmentReader(opened, log.context.checksum, bytes => log.context.progress(bytes))
    await new SegmentCheck(log, reader, segment, file, {
      index:
        index === undefined
          ? undefined
          : new OffsetIndexCheck(
              index,
              segment.baseOffset,
              nextBase !== undefined || log.closed,
              indexWrong(facts, segment, 'index'),
            ),
      timeIndex:
        timeIndex === undefined
          ? undefined
          : new TimeIndexCheck(timeIndex, segment.baseOffset, indexWrong(facts, segment, 'timeindex')),
      nextBase,
      beforeBatch: baseOffset => {
        while (log.snapshots.length > 0 && log.snapshots[0]!.offset <= baseOffset)
          judgeSnapshot(facts, log.snapshots.shift()!)
      },
      onEnd: (producerId, offset, aborts) => {
        const aborted = log.transactions.end(producerId, offset, aborts)
        if (aborts) markers.add(markerKey(producerId, offset))
        if (aborted !== undefined) segment.aborted.push(aborted)
      },
    }).run()
  } catch (error) {
    if (errorCode(error) === undefined) throw error
    log.found(
      'data',
      'unreadable',
      file,
      {},
      `it cannot be read: ${errorText(error)}`,
      'look at the kernel log (dmesg): the disk may be failing',
    )
    if (nextBase !== undefined) log.expected = nextBase
  } finally {
    opened.close()
  }
  if (segment.contentBytes > 0 && !log.context.live) {
    // While a segment is written its indexes may be in memory alone.
    const mayLack = nextBase === undefined && !log.closed
    const missing = (suffix: 'index' | 'timeindex', content: IndexContent | undefined) => {
      const told = suffix === 'index' ? segment.indexWrong : segment.timeIndexWrong
      if (content !== undefined || told) return
      if (!mayLack) indexWrong(facts, segment, suffix)(undefined, 'it is missing')
      else
        log.context.note({
          file: `${log.name}/${facts.names.of(segment.baseOffset, suffix)}`,
          message: 'it is missing: the next start makes it',
        })
    }
    missing('index', index)
    missing('timeindex', timeIndex)
  }
  checkTxnIndex(facts, segment, context.path, markers)
}

function checkTxnIndex(facts: PartitionFacts, segment: SegmentFacts, path: string, markers: ReadonlySet<string>): void {
  const { log } = facts
  const name = facts.names.of(segment.baseOffset, 'txnindex')
  const isThere = facts.entries.some(entry => entry.name === name && entry.kind === 'file')
  const bytes = isThere ? readWhole(log.context.files, `${path}/${name}`, indexBytesMax) : undefined
  if (bytes === 'tooLarge') return
  const file = `${log.name}/${name}`
  segment.txnIndexWrong = !checkAborted(log, file, bytes ?? new Uint8Array(), { markers, aborted: segment.aborted })
}

/** Tells what is wrong with an index, unless a broker is just writing it. */
function indexWrong(facts: PartitionFacts, segment: SegmentFacts, suffix: 'index' | 'timeindex') {
  const { log } = facts
  const file = `${log.name}/${facts.names.of(segment.baseOffset, suffix)}`
  return (position: number | undefined, message: string): void => {
    const isWritten = segment === log.segments[log.segments.length - 1]
    if (log.context.live && (isWritten || log.compacted !== false)) return // It may be another's by now.
    if (suffix === 'index') segment.indexWrong = true
    else segment.timeIndexWrong = true
    log.found('rebuilt', suffix === 'index' ? 'index' : 'time-index', file, { position }, message, remedy.repair)
  }
}

function openIndex(
  facts: PartitionFacts,
  segment: SegmentFacts,
  suffix: 'index' | 'timeindex',
  nextBase: number | undefined,
): IndexContent | undefined {
  const { log, context } = facts
  const name = facts.names.of(segment.baseOffset, suffix)
  const wrong = indexWrong(facts, segment, suffix)
  let bytes: Uint8Array | 'tooLarge' | undefined
  try {
    bytes = readWhole(log.context.files, `${context.path}/${name}`, indexBytesMax)
  } catch (error) {
    wrong(undefined, `it cannot be read: ${errorText(error)}`)
    return undefined
  }
  if (bytes === undefined) return undefined
  if (bytes === 'tooLarge') {
    wrong(undefined, `it is larger than any index, ${indexBytesMax} bytes`)
    return undefined
  }
  const content = indexContent(bytes, suffix === 'index' ? offsetEntryBytes : timeEntryBytes)
  if (content.ragged) wrong(bytes.length, `its ${bytes.length} bytes are no whole entries`)
  if (content.allocatedBytes >= 4096 && nextBase === undefined && !log.context.live)
    log.context.note({
      file: `${log.name}/${name}`,
      message: `${content.allocatedBytes} bytes of zeros are allocated ahead of its end`,
    })
  return content
}

function judgeSnapshot(facts: PartitionFacts, snapshot: Snapshot): void {
  const { log } = facts
  const isEnd = facts.logEnd >= 0
  if (isEnd && snapshot.offset > facts.logEnd) {
    if (log.context.live) return
    facts.badSnapshots.push(snapshot.offset)
    log.found(
      'rebuilt',
      'snapshot',
      snapshot.file,
      { offset: snapshot.offset },
      `it tells of offset ${snapshot.offset}, and the log ends at ${facts.logEnd}`,
      remedy.repair,
    )
    return
  }
  if (!checkSnapshot(log, snapshot)) facts.badSnapshots.push(snapshot.offset)
}
