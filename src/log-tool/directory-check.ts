import { parseOffsets } from '../log/checkpoint-files.ts'
import { metadataLogName } from '../log/data-directory.ts'
import { directoryName } from '../log/log-manager.ts'
import { errorText, readWhole } from './files.ts'
import { remedy } from './finding.ts'
import type { CheckContext, PartitionContext, PartitionFacts } from './log-state.ts'
import { topicPartitionOf } from './names.ts'
import { checkPartition } from './partition-check.ts'
import type { Target } from './target.ts'
import { type KnownTopic, readTopics } from './topic-metadata.ts'

export const checkpointNames = {
  recoveryPoints: 'recovery-point-offset-checkpoint',
  logStarts: 'log-start-offset-checkpoint',
  cleanerOffsets: 'cleaner-offset-checkpoint',
} as const
const checkpointBytesMax = 256 << 20
const cleanMarker = '.kafka_cleanshutdown'
const failureMarker = '.sync_failed'
const ownFiles = new Set<string>([
  'meta.properties',
  '.lock',
  '.boot_id',
  '.reserve',
  cleanMarker,
  failureMarker,
  ...Object.values(checkpointNames),
  'replication-offset-checkpoint',
  'bootstrap.checkpoint',
])

/** One of the offset checkpoints, as far as it could be read. */
export interface Checkpoint {
  readonly name: string
  /** By directory name. */
  readonly offsets: ReadonlyMap<string, number>
  /** It is there, and not whole. */
  readonly damaged: boolean
}

/** What a data directory says of its partitions. */
export interface DirectoryFacts {
  readonly recoveryPoints: Checkpoint
  readonly logStarts: Checkpoint
  readonly cleanerOffsets: Checkpoint
  readonly closedCleanly: boolean
  readonly topics: ReadonlyMap<string, KnownTopic> | undefined
  /** Files that an interrupted write left. */
  readonly leftovers: string[]
}

const emptyCheckpoint = (name: string): Checkpoint => ({ name, offsets: new Map(), damaged: false })

/** Without a data directory nothing is known besides the partition's own files. */
export const nothingKnown = (): DirectoryFacts => ({
  recoveryPoints: emptyCheckpoint(checkpointNames.recoveryPoints),
  logStarts: emptyCheckpoint(checkpointNames.logStarts),
  cleanerOffsets: emptyCheckpoint(checkpointNames.cleanerOffsets),
  closedCleanly: false,
  topics: undefined,
  leftovers: [],
})

/** Reads what a data directory says, and tells what is wrong with that. */
export function checkDirectory(shared: CheckContext, root: string, filtered: boolean): DirectoryFacts {
  const { files } = shared
  const read = (name: string) => readCheckpoint(shared, root, name)
  const facts: DirectoryFacts = {
    // The log starts first: beside a running broker both only grow, and no start may lie behind its log's end.
    logStarts: read(checkpointNames.logStarts),
    recoveryPoints: read(checkpointNames.recoveryPoints),
    cleanerOffsets: read(checkpointNames.cleanerOffsets),
    closedCleanly: files.exists(`${root}/${cleanMarker}`) && !files.exists(`${root}/${failureMarker}`),
    topics: readTopics(files, `${root}/${metadataLogName}`, shared.checksum),
    leftovers: [],
  }
  if (!filtered) checkEntries(shared, root, facts)
  return facts
}

function readCheckpoint(shared: CheckContext, root: string, name: string): Checkpoint {
  const offsets = new Map<string, number>()
  let damaged = false
  try {
    const bytes = readWhole(shared.files, `${root}/${name}`, checkpointBytesMax)
    if (bytes === undefined) return { name, offsets, damaged }
    const content = bytes === 'tooLarge' ? '' : new TextDecoder().decode(bytes)
    const entries = parseOffsets(content)
    damaged = entries === undefined
    for (const { topic, partition, offset } of entries ?? parseLines(content))
      offsets.set(directoryName({ topic, partition }), offset)
    if (damaged)
      shared.report({
        severity: 'rebuilt',
        code: 'checkpoint',
        file: name,
        message: 'it is not whole',
        remedy: remedy.repair,
      })
  } catch (error) {
    const message = `it cannot be read: ${errorText(error)}`
    shared.report({
      severity: 'data',
      code: 'unreadable',
      file: name,
      message,
      remedy: 'check permissions and the disk',
    })
  }
  return { name, offsets, damaged }
}

/** The lines of a damaged checkpoint that are whole in themselves. */
function parseLines(content: string): { topic: string; partition: number; offset: number }[] {
  return content
    .split('\n')
    .map(line => /^([\w.-]+) (\d{1,9}) (\d{1,15})$/.exec(line))
    .filter(match => match !== null)
    .map(match => ({ topic: match[1]!, partition: Number(match[2]), offset: Number(match[3]) }))
}

function checkEntries(shared: CheckContext, root: string, facts: DirectoryFacts): void {
  const { files } = shared
  const entries = files.list(root)
  const directories = new Set(entries.filter(entry => entry.kind === 'directory').map(entry => entry.name))
  const found = (
    severity: 'data' | 'rebuilt' | 'harmless',
    code: 'marker' | 'leftover' | 'foreign-entry' | 'partition-missing' | 'checkpoint',
    file: string,
    message: string,
    next: string,
  ) => shared.report({ severity, code, file, message, remedy: next })
  checkMeta(shared, root)
  for (const { name, kind } of entries) {
    if (kind === 'other')
      found('harmless', 'foreign-entry', name, 'it is no plain file or directory, and is not looked into', remedy.look)
    else if (kind === 'file' && name.endsWith('.tmp')) {
      if (shared.live || !facts.closedCleanly) continue // Each kind of file is written again.
      facts.leftovers.push(name)
      found('harmless', 'leftover', name, 'it was left by an interrupted write', remedy.repair)
    } else if (kind === 'file' && !ownFiles.has(name))
      shared.note({ file: name, message: 'no file of a data directory' })
    else if (kind === 'directory') checkSubdirectory(shared, facts, name)
  }
  if (files.exists(`${root}/${failureMarker}`))
    found(
      'rebuilt',
      'marker',
      failureMarker,
      'a sync of this directory failed: what follows was read from the page cache, and the disk may hold less',
      'look at the kernel log (dmesg); the next start verifies everything above the recovery points',
    )
  for (const topic of facts.topics?.values() ?? []) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      const name = directoryName({ topic: topic.name, partition })
      if (directories.has(name)) continue
      const had = (facts.recoveryPoints.offsets.get(name) ?? 0) > 0
      if (had)
        found(
          'data',
          'partition-missing',
          name,
          'the directory is missing, and records were known to be on the disk',
          'restore the directory from a backup before the broker starts: it would make an empty one',
        )
      else if (!shared.live)
        found(
          'rebuilt',
          'partition-missing',
          name,
          'the directory is missing',
          'nothing needs to be done: the next start makes it',
        )
    }
  }
}

function checkSubdirectory(shared: CheckContext, { topics }: DirectoryFacts, name: string): void {
  if (name.endsWith('-delete'))
    shared.note({ file: name, message: 'a deletion was cut short: the next start finishes it' })
  else if (name.endsWith('-stray')) shared.note({ file: name, message: 'no topic owns it: it was set aside and kept' })
  else if (topicPartitionOf(name) === undefined) shared.note({ file: name, message: "no partition's directory" })
  else if (topics !== undefined && name !== metadataLogName && !isKnown(topics, name) && !shared.live)
    shared.report({
      severity: 'harmless',
      code: 'foreign-entry',
      file: name,
      message: 'no topic owns it: the next start sets it aside as a stray',
      remedy: remedy.look,
    })
}

function isKnown(topics: ReadonlyMap<string, KnownTopic>, name: string): boolean {
  const { topic, partition } = topicPartitionOf(name)!
  return partition < (topics.get(topic)?.partitions ?? 0)
}

function checkMeta(shared: CheckContext, root: string): void {
  const file = 'meta.properties'
  const bytes = readWhole(shared.files, `${root}/${file}`, 1 << 20)
  const next = 'restore the file from a backup: the broker does not start without it'
  const content = bytes === undefined || bytes === 'tooLarge' ? undefined : new TextDecoder().decode(bytes)
  const whole =
    content !== undefined &&
    /^version=1$/m.test(content) &&
    /^cluster\.id=.+$/m.test(content) &&
    /^node\.id=\d+$/m.test(content)
  if (!whole)
    shared.report({
      severity: 'data',
      code: 'marker',
      file,
      message: content === undefined ? 'it is missing' : 'it is not whole',
      remedy: next,
    })
}

/** What is known of one partition. */
export function contextOf(target: Target, facts: DirectoryFacts, name: string): PartitionContext {
  const place = topicPartitionOf(name)
  const topic = place === undefined ? undefined : facts.topics?.get(place.topic)
  const policy = topic?.configs['cleanup.policy']
  // This broker notes each log start that is not 0; Kafka only those that are no segment's.
  const withoutEntry = topic === undefined || facts.logStarts.damaged ? undefined : 0
  const compacted = policy?.split(',').some(each => each.trim() === 'compact') || facts.cleanerOffsets.offsets.has(name)
  return {
    name,
    path: target.pathOf(name),
    isMetadataLog: name === metadataLogName,
    topicId: topic?.id,
    compacted: compacted === true ? true : topic === undefined ? undefined : false,
    recoveryPoint: facts.recoveryPoints.offsets.get(name),
    logStart: facts.logStarts.offsets.get(name) ?? withoutEntry,
    cleanerOffset: facts.cleanerOffsets.offsets.get(name),
    closedCleanly: facts.closedCleanly,
  }
}

/** Checks everything that `target` names; `onPartition` gets each partition's facts as they come. */
export async function checkTarget(
  shared: CheckContext,
  target: Target,
  onPartition: (facts: PartitionFacts) => Promise<void>,
): Promise<DirectoryFacts> {
  const facts = target.root === undefined ? nothingKnown() : checkDirectory(shared, target.root, target.filtered)
  for (const name of target.partitions) await onPartition(await checkPartition(shared, contextOf(target, facts, name)))
  return facts
}
