import { basename, join } from 'node:path'
import { installJava } from './install.ts'
import type { PartitionFiles } from './logdir.ts'
import { run } from './process.ts'

export interface Dump {
  /** What the tool held against the files; empty if they are right. */
  readonly complaints: readonly string[]
  /** Records in each .log file, by its path. */
  readonly records: ReadonlyMap<string, number>
}

const toolLimitMs = 120_000
const heapMb = 256

/**
 * The tool writes what it checked to stdout and most of what it minds to stderr (`Mismatches in`, `Found timestamp
 * mismatch in`, `Found out of order timestamp in`, `The following indexed offsets are not found in`, `Non-consecutive
 * offsets in`, a corrupt snapshot's reason, `Ignoring unknown file`, an exception's trace): every line there is a
 * complaint. These it hides between the others:
 */
const complaintsOnStdout = [/isvalid: false/i, /^Found \d+ invalid bytes at the end of /, /skipping/]

/**
 * Since its rewrite in Java the tool takes the record before a file's first to be at offset -1, and so minds the first
 * record of every segment but the one at 0, Kafka's own included. That one pair is no complaint.
 */
const withoutFirstRecords = (lines: readonly string[]): string[] => {
  const kept: string[] = []
  let baseOffset = ''
  let header: string | undefined
  for (const line of lines) {
    const heading = /^Non-consecutive offsets in .*?0*(\d+)\.log$/.exec(line)
    if (heading?.[1] !== undefined) {
      header = line
      baseOffset = heading[1]
    } else if (line !== `  -1 is followed by ${baseOffset}`) {
      if (header !== undefined && line.startsWith('  ')) kept.push(header)
      header = undefined
      kept.push(line)
    }
  }
  return kept
}

const runTool = async (files: readonly string[], ...flags: string[]) => {
  const java = await installJava('tools', heapMb)
  const args = [...java, 'org.apache.kafka.tools.DumpLogSegments', ...flags, '--files', files.join(',')]
  const { code, stdout, stderr } = await run('java', args, { timeoutMs: toolLimitMs, expectCodes: [0, 1] })
  const lines = stdout.split('\n')
  const complaints = lines.filter(line => complaintsOnStdout.some(pattern => pattern.test(line)))
  complaints.push(...withoutFirstRecords(stderr.split('\n').filter(line => line !== '')))
  if (code !== 0) complaints.push(`exit code ${code}`)
  return { lines, complaints }
}

/** Where records of a compacted log are gone, the next one has a larger offset: that pair is no complaint. */
const withoutHoles = (lines: readonly string[]): string[] => {
  const kept: string[] = []
  let header: string | undefined
  for (const line of lines) {
    const pair = /^ {2}(-?\d+) is followed by (\d+)$/.exec(line)
    if (line.startsWith('Non-consecutive offsets in')) {
      header = line
    } else if (pair === null || Number(pair[2]) <= Number(pair[1])) {
      if (header !== undefined && line.startsWith('  ')) kept.push(header)
      header = undefined
      kept.push(line)
    }
  }
  return kept
}

/**
 * Holds the batches that the tool printed against each other: within a file each begins where the one before ended, or,
 * in a compacted log, behind.
 */
const offsetGaps = (
  file: string,
  batches: readonly (readonly [base: number, last: number])[],
  compacted: boolean,
): string[] => {
  const gaps: string[] = []
  let next = Number(basename(file, '.log'))
  for (const [base, last] of batches) {
    if (compacted ? base < next : base !== next) gaps.push(`${file}: a batch starts at ${base}, expected ${next}`)
    next = last + 1
  }
  return gaps
}

/** Runs Kafka's own DumpLogSegments over every file it knows of these partitions, which may have been `compacted`. */
export const dumpLogs = async (partitions: readonly PartitionFiles[], { compacted = false } = {}): Promise<Dump> => {
  const paths = partitions.flatMap(({ dir, files }) => files.map(file => join(dir, file)))
  const known = paths.filter(path => /\.(log|index|timeindex|txnindex|snapshot)$/.test(path))
  const indexes = paths.filter(path => /\.(index|timeindex)$/.test(path))
  // The check that Kafka applies at its start comes first, on the files as they are: the other run, which holds each
  // entry of each index against the log, may round a torn index's length down.
  const sanity = await runTool(indexes, '--index-sanity-check')
  const content = await runTool(known, '--deep-iteration', '--verify-index-only')
  const found = [...content.complaints, ...sanity.complaints]
  const complaints = compacted ? withoutHoles(found) : found

  const records = new Map<string, number>()
  const batches = new Map<string, [number, number][]>()
  let file = ''
  for (const line of content.lines) {
    const dumping = /^Dumping (.+)$/.exec(line)
    if (dumping?.[1] !== undefined) {
      file = dumping[1]
      if (file.endsWith('.log')) records.set(file, 0)
    } else if (line.startsWith('| offset: ')) {
      records.set(file, (records.get(file) ?? 0) + 1)
    } else {
      const batch = /^baseOffset: (\d+) lastOffset: (\d+) /.exec(line)
      if (batch !== null) batches.set(file, [...(batches.get(file) ?? []), [Number(batch[1]), Number(batch[2])]])
    }
  }
  for (const path of known) {
    if (!content.lines.includes(`Dumping ${path}`)) complaints.push(`${path} was not dumped`)
  }
  for (const path of indexes) {
    const passed = sanity.lines.includes(`${path} passed sanity check.`) || sanity.lines.includes(`${path} is empty.`)
    if (!passed) complaints.push(`${path} did not pass the sanity check`)
  }
  for (const [path, pairs] of batches) complaints.push(...offsetGaps(path, pairs, compacted))
  return { complaints, records }
}

export interface GroupRecords {
  readonly records: number
  /** The types of their keys. */
  readonly types: ReadonlySet<string>
  /** Lines about records that the tool could not read. */
  readonly unread: readonly string[]
}

/** Runs DumpLogSegments over partitions of `__consumer_offsets` with the decoder of their records. */
export const dumpGroupRecords = async (partitions: readonly PartitionFiles[]): Promise<GroupRecords> => {
  const logs = partitions.flatMap(({ dir, files }) => files.map(file => join(dir, file)))
  const { lines, complaints } = await runTool(
    logs.filter(path => path.endsWith('.log')),
    '--offsets-decoder',
  )
  const records = lines.filter(line => line.startsWith('| offset: '))
  const types = new Set<string>()
  const unread = [...complaints]
  for (const line of records) {
    // A control record has no key of the coordinator's.
    if (/ endTxnMarker: /.test(line)) continue
    const type = / key: \{"type":"(\d+)","data":\{/.exec(line)?.[1]
    const read = type !== undefined && / payload: (<DELETE>|\{"version":"\d+","data":\{.*)$/.test(line)
    if (read) types.add(type)
    else unread.push(line)
  }
  return { records: records.length, types, unread }
}

/** Runs DumpLogSegments over partitions of `__transaction_state`: what each record says, and lines that it could not read. */
export const dumpTransactionRecords = async (
  partitions: readonly PartitionFiles[],
): Promise<{ readonly states: readonly string[]; readonly unread: readonly string[] }> => {
  const logs = partitions.flatMap(({ dir, files }) => files.map(file => join(dir, file)))
  const { lines, complaints } = await runTool(
    logs.filter(path => path.endsWith('.log')),
    '--transaction-log-decoder',
  )
  const states: string[] = []
  const unread = [...complaints]
  for (const line of lines) {
    if (!line.startsWith('| offset: ')) continue
    const id = / key: \{"type":"0","data":\{"transactionalId":"([^"]*)"\}\}/.exec(line)?.[1]
    const payload = / payload: (\{.*\})$/.exec(line)?.[1]
    if (id === undefined || payload === undefined) {
      unread.push(line)
      continue
    }
    const { version, data } = JSON.parse(payload) as {
      version: string
      data: {
        producerEpoch: number
        transactionStatus: number
        transactionPartitions: { partitionIds: number[] }[] | null
      }
    }
    const partitionCount = (data.transactionPartitions ?? []).reduce(
      (sum, { partitionIds }) => sum + partitionIds.length,
      0,
    )
    states.push(`${id} v${version} ${data.transactionStatus} @${data.producerEpoch} [${partitionCount}]`)
  }
  return { states, unread }
}
