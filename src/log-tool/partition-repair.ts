import { formatEpochs, formatPartitionMetadata } from '../log/checkpoint-files.ts'
import { snapshotName } from '../log/producer-snapshot.ts'
import { encodeAborted } from '../log/txn-index.ts'
import { type Aside, bytesOf, writeFile } from './aside.ts'
import { emptyHeader, lastOffset, readHeader } from './batch.ts'
import { type RepairFiles, readWhole } from './files.ts'
import { fillers } from './filler.ts'
import { IndexImage } from './index-entries.ts'
import type { PartitionFacts } from './log-state.ts'
import { epochsName, metadataName, segmentFileName } from './names.ts'
import type { PartitionPlan, SegmentPlan } from './repair-plan.ts'
import { type Checksum, SegmentReader } from './segment-reader.ts'

/** Something that was done, or would be. */
export interface Action {
  readonly file: string
  readonly message: string
  /** Offsets whose records are lost by it. */
  readonly lost?: { readonly from: number; readonly to: number } | undefined
}

/** What the plan comes to, in words, in the order in which it is done. */
export function actionsOf(facts: PartitionFacts, plan: PartitionPlan): Action[] {
  const { name } = facts.context
  const actions: Action[] = []
  const say = (file: string, message: string, lost?: Action['lost']) =>
    actions.push({ file: `${name}/${file}`, message, lost })
  for (const { name: swap } of plan.swaps ? facts.names.swaps : []) say(swap, 'finish the compaction that it is of')
  for (const { segment, patches, removals, fillers: gaps, tornFrom, tornEnd } of plan.segments) {
    const file = segmentFileName(segment.baseOffset, 'log')
    for (const { position, bytes } of patches)
      say(file, `put right ${bytes.length} bytes of a batch's header at ${position}`)
    for (const { position, end, lost } of removals)
      say(file, `take out ${end - position} damaged bytes at ${position}`, lost)
    for (const { lost } of gaps)
      say(file, `put an empty batch in the place of offsets ${lost.from} to ${lost.to - 1}`, lost)
    if (tornFrom !== undefined)
      say(file, `cut off an incomplete append, ${tornEnd - tornFrom} bytes from ${tornFrom} on`)
  }
  for (const { baseOffset } of plan.rebuildIndexes)
    say(segmentFileName(baseOffset, 'index'), 'make both indexes anew from the batches')
  for (const { baseOffset } of plan.rebuildTxnIndexes)
    say(segmentFileName(baseOffset, 'txnindex'), 'make it anew from the markers')
  for (const offset of plan.snapshots) say(snapshotName(offset), 'move it aside: producers are read from the log')
  if (plan.epochs) say(epochsName, 'write it anew from the batches')
  if (plan.metadata) say(metadataName, 'write it anew from the metadata log')
  for (const leftover of plan.leftovers) say(leftover, 'move it aside')
  return actions
}

/** Does what the plan says, each step whole or not at all, also across a crash. */
export function applyPlan(
  files: RepairFiles,
  checksum: Checksum,
  facts: PartitionFacts,
  plan: PartitionPlan,
  aside: Aside,
): void {
  const { context } = facts
  if (plan.swaps) facts.names.finish(files, context.path, aside)
  for (const segmentPlan of plan.segments) {
    const { patches, removals, fillers: gaps } = segmentPlan
    if (patches.length + removals.length + gaps.length > 0) rewrite(files, segmentPlan, aside)
    else if (segmentPlan.tornFrom !== undefined) cutTail(files, context.path, segmentPlan, segmentPlan.tornFrom)
  }
  const touched = new Set([...plan.segments.map(each => each.segment), ...plan.rebuildIndexes])
  for (const segment of touched) rebuildIndexes(files, checksum, segment.path, segment.baseOffset, intervalBytes, aside)
  for (const { baseOffset, aborted } of plan.rebuildTxnIndexes) {
    const index = segmentFileName(baseOffset, 'txnindex')
    if (aborted.length > 0) aside.replace(index, [encodeAborted(aborted)])
    else aside.move(index)
  }
  for (const offset of plan.snapshots) aside.move(snapshotName(offset))
  if (plan.epochs) aside.replace(epochsName, [text(epochsOf(facts))])
  if (plan.metadata) aside.replace(metadataName, [text(formatPartitionMetadata(context.topicId!))])
  for (const leftover of plan.leftovers) if (files.exists(`${context.path}/${leftover}`)) aside.move(leftover)
}

/** Kafka's default: an index with other intervals is as right. */
const intervalBytes = 4096
const text = (content: string): Uint8Array => new TextEncoder().encode(content)

function epochsOf({ log, context, logStartWrong }: PartitionFacts): string {
  const first = log.segments[0]?.baseOffset ?? 0
  const start = logStartWrong ? first : Math.max(first, context.logStart ?? 0)
  const kept = log.seenEpochs.filter((_, i) => (log.seenEpochs[i + 1]?.startOffset ?? Number.POSITIVE_INFINITY) > start)
  // The epoch in which the log begins is known from there on.
  return formatEpochs(kept.map((entry, i) => (i === 0 ? { ...entry, startOffset: start } : entry)))
}

/** The segment with patches, fillers and without removals, under its own name; what it was is kept aside whole. */
function rewrite(files: RepairFiles, plan: SegmentPlan, aside: Aside): void {
  const { segment, tornFrom } = plan
  aside.replace(segmentFileName(segment.baseOffset, 'log'), piecesOf(files, plan, tornFrom ?? segment.contentBytes))
}

function* piecesOf(files: RepairFiles, plan: SegmentPlan, end: number): Generator<Uint8Array> {
  const { segment, patches, removals, fillers: gaps } = plan
  const edits = [
    ...patches.map(({ position, bytes }) => ({ position, end: position + bytes.length, bytes })),
    ...removals.map(({ position, end, lost }) => ({
      position,
      end,
      bytes: lost === undefined ? new Uint8Array() : fillers(lost),
    })),
    ...gaps.map(({ position, lost }) => ({ position, end: position, bytes: fillers(lost) })),
  ].sort((a, b) => a.position - b.position || a.end - b.end)
  let position = 0
  for (const edit of edits) {
    if (edit.position > position)
      yield* bytesOf(files, segment.path, position, Math.min(edit.position, segment.sizeBytes))
    yield edit.bytes
    position = Math.max(position, edit.end)
  }
  if (end > position) yield* bytesOf(files, segment.path, position, end)
}

/** As recovery does it: first what is cut is safe in a file of its own, then the log gets shorter. */
function cutTail(files: RepairFiles, directory: string, { segment, tornEnd }: SegmentPlan, from: number): void {
  if (tornEnd > from) {
    let aside = `${segment.path}.cut-${from}`
    for (let copy = 1; files.exists(aside); copy++) aside = `${segment.path}.cut-${from}.${copy}`
    const temporary = `${aside}.tmp`
    writeFile(files, temporary, bytesOf(files, segment.path, from, tornEnd))
    files.rename(temporary, aside)
    files.syncDirectory(directory)
  }
  files.truncate(segment.path, from)
}

function rebuildIndexes(
  files: RepairFiles,
  checksum: Checksum,
  path: string,
  baseOffset: number,
  interval: number,
  aside: Aside,
): void {
  const file = files.open(path)
  const image = new IndexImage(baseOffset, interval)
  try {
    const reader = new SegmentReader(file, checksum)
    const header = emptyHeader()
    // Batches that are damaged and stay are stepped over.
    for (let position = 0; position < reader.sizeBytes; ) {
      if (reader.judge(position) !== undefined) {
        if (reader.isZeroFrom(position)) break
        const next = reader.findNext(position, baseOffset, Number.MAX_SAFE_INTEGER)
        if (next < 0) break
        position = next
        continue
      }
      readHeader(reader.view, reader.load(position, reader.header.sizeBytes), header)
      image.add(position, lastOffset(header), header.maxTimestamp)
      position += header.sizeBytes
    }
  } finally {
    file.close()
  }
  const { index, timeIndex } = image.finish()
  replaceIfOther(files, path, segmentFileName(baseOffset, 'index'), index, aside)
  replaceIfOther(files, path, segmentFileName(baseOffset, 'timeindex'), timeIndex, aside)
}

function replaceIfOther(files: RepairFiles, logPath: string, name: string, bytes: Uint8Array, aside: Aside): void {
  const path = `${logPath.slice(0, logPath.lastIndexOf('/'))}/${name}`
  const present = readWhole(files, path, bytes.length)
  if (present !== undefined && present !== 'tooLarge' && Buffer.compare(present, bytes) === 0) return
  aside.replace(name, [bytes])
}
