import { parseEpochs, parsePartitionMetadata } from '../log/checkpoint-files.ts'
import { decodeProducerSnapshot, snapshotName } from '../log/producer-snapshot.ts'
import { errorText, readWhole } from './files.ts'
import { remedy } from './finding.ts'
import type { LogState, Snapshot } from './log-state.ts'
import { epochsName, metadataName } from './names.ts'
import type { LastBatch } from './producer-history.ts'

const smallFileBytesMax = 64 << 20
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Bytes of a file beside the log; what keeps them from being read is a finding. */
function contentOf(log: LogState, directory: string, name: string): Uint8Array | undefined {
  const file = `${log.name}/${name}`
  try {
    const bytes = readWhole(log.context.files, `${directory}/${name}`, smallFileBytesMax)
    if (bytes !== 'tooLarge') return bytes
    log.found(
      'rebuilt',
      'unreadable',
      file,
      {},
      `it is larger than any file of its kind, ${smallFileBytesMax} bytes`,
      remedy.repair,
    )
  } catch (error) {
    log.found(
      'data',
      'unreadable',
      file,
      {},
      `it cannot be read: ${errorText(error)}`,
      'check permissions and the disk',
    )
  }
  return undefined
}

/** How `leader-epoch-checkpoint` was found. */
export type EpochsState = 'right' | 'missing' | 'damaged'

/** Reads `leader-epoch-checkpoint` into `log`. */
export function readEpochs(log: LogState, directory: string): EpochsState {
  const bytes = contentOf(log, directory, epochsName)
  if (bytes === undefined) return log.context.files.exists(`${directory}/${epochsName}`) ? 'damaged' : 'missing'
  const entries = parseEpochs(text(bytes))
  const file = `${log.name}/${epochsName}`
  if (entries === undefined) {
    log.found('rebuilt', 'leader-epochs', file, {}, 'it is not whole', remedy.repair)
    return 'damaged'
  }
  const unordered = entries.findIndex((entry, i) => {
    const before = entries[i - 1]
    return before !== undefined && (entry.epoch <= before.epoch || entry.startOffset < before.startOffset)
  })
  if (unordered >= 0) {
    log.found('rebuilt', 'leader-epochs', file, {}, `its entry ${unordered} does not grow`, remedy.repair)
    return 'damaged'
  }
  log.epochs = entries
  return 'right'
}

/** Holds the epochs of the batches against the checkpoint. Returns whether it has to be written anew. */
export function checkEpochs(log: LogState, state: EpochsState, logStart: number, logEnd: number): boolean {
  const file = `${log.name}/${epochsName}`
  const { epochs } = log
  if (epochs === undefined) {
    if (state === 'damaged') return true
    const due = log.seenEpochs.length > 0 && !log.context.live
    if (due) log.found('rebuilt', 'leader-epochs', file, {}, 'it is missing', remedy.repair)
    return due
  }
  const at = (offset: number) => epochs.findLast(entry => entry.startOffset <= offset)?.epoch
  const wrong = (message: string): true => {
    log.found('rebuilt', 'leader-epochs', file, {}, message, remedy.repair)
    return true
  }
  const last = epochs[epochs.length - 1]
  if (last !== undefined && last.startOffset > logEnd && !log.context.live)
    return wrong(`epoch ${last.epoch} begins at ${last.startOffset}, and the log ends at ${logEnd}`)
  for (const [i, { epoch, startOffset }] of log.seenEpochs.entries()) {
    const nextStart = log.seenEpochs[i + 1]?.startOffset ?? logEnd
    if (nextStart <= logStart) continue // It ended below where the log begins.
    const told = at(Math.max(startOffset, logStart))
    if (told !== epoch)
      return wrong(`it says epoch ${told ?? 'none'} for offset ${startOffset}, and the batch there ${epoch}`)
    if (i > 0 && startOffset > logStart && (at(startOffset - 1) ?? -1) > epoch)
      return wrong(`epoch ${epoch} has no place in it`)
  }
  const newest = log.seenEpochs[log.seenEpochs.length - 1]
  const extra = epochs.find(entry => newest !== undefined && entry.epoch > newest.epoch && entry.startOffset < logEnd)
  return extra === undefined ? false : wrong(`no batch from ${extra.startOffset} on has its epoch ${extra.epoch}`)
}

/** Reads a producer snapshot; undefined when it is damaged, which is told. */
export function readSnapshot(log: LogState, directory: string, offset: number): Snapshot | undefined {
  const name = snapshotName(offset)
  const bytes = contentOf(log, directory, name)
  if (bytes === undefined) return undefined
  const file = `${log.name}/${name}`
  const wrong = (message: string): undefined => {
    const instead = "producers' states are taken from an older one or from the log"
    log.found('rebuilt', 'snapshot', file, { offset }, `${message}; ${instead}`, remedy.repair)
    return undefined
  }
  const producers = decodeProducerSnapshot(bytes)
  if (producers === undefined) return wrong('it is not whole, or its checksum does not hold')
  for (const [id, entry] of producers) {
    const last = entry.batches[entry.batches.length - 1]
    if (last !== undefined && last.lastOffset >= offset)
      return wrong(`producer ${id} has offset ${last.lastOffset}, at or behind its own`)
  }
  return { offset, file, producers }
}

/** Holds a snapshot against what the batches below its offset say; whether it agrees. */
export function checkSnapshot(log: LogState, { offset, file, producers }: Snapshot): boolean {
  const states = new Map(producers)
  for (const [id, seen] of log.history.producers) {
    const entry = states.get(id)
    if (entry === undefined || seen.lastSequence < 0) continue // Producers expire; markers have no sequence.
    const last = entry.batches[entry.batches.length - 1]
    if (
      last === undefined ||
      last.lastSequence < 0 ||
      agrees(seen, entry.producerEpoch, last.lastOffset, last.lastSequence, log.holes || log.sawLoss)
    )
      continue
    const said = `epoch ${entry.producerEpoch}, sequence ${last.lastSequence} at offset ${last.lastOffset}`
    const found = `epoch ${seen.producerEpoch}, sequence ${seen.lastSequence} at ${seen.lastOffset}`
    log.found(
      'rebuilt',
      'snapshot',
      file,
      { offset },
      `it has producer ${id} at ${said}, and the log at ${found}`,
      remedy.repair,
    )
    return false
  }
  return true
}

function agrees(seen: LastBatch, epoch: number, lastOffset: number, lastSequence: number, holes: boolean): boolean {
  if (epoch > seen.producerEpoch) return true // A marker or a batch that compaction took has raised it.
  if (epoch < seen.producerEpoch) return false
  if (holes && lastOffset > seen.lastOffset) return true
  return lastOffset === seen.lastOffset && lastSequence === seen.lastSequence
}

/** What `partition.metadata` says; undefined when it is missing, though its topic is known, or not whole, which is told. */
export function readTopicId(log: LogState, directory: string, topicKnown: boolean): string | undefined {
  const bytes = contentOf(log, directory, metadataName)
  const file = `${log.name}/${metadataName}`
  const topicId = bytes === undefined ? undefined : parsePartitionMetadata(text(bytes))
  if (topicId !== undefined) return topicId
  if (bytes === undefined && !topicKnown) return undefined
  const message = bytes === undefined ? 'it is missing' : 'it is not whole'
  log.found(
    'rebuilt',
    'partition-metadata',
    file,
    {},
    message,
    'nothing needs to be done: the next start writes it, as does millrace log repair',
  )
  return undefined
}
