import { parseEpochs } from '../log/checkpoint-files.ts'
import { decodeProducerSnapshot } from '../log/producer-snapshot.ts'
import { checkpointNames } from './directory-check.ts'
import { LogDump, openReader, positionOf } from './dump-log.ts'
import { fieldsText } from './dump-text.ts'
import { exitCode, json, Lines, type ToolEnvironment } from './environment.ts'
import { type Entry, errorCode, errorText, readWhole } from './files.ts'
import {
  indexBytesMax,
  indexContent,
  offsetEntryAt,
  offsetEntryBytes,
  timeEntryAt,
  timeEntryBytes,
} from './index-entries.ts'
import { classify, segmentFileName } from './names.ts'
import type { DumpableFile, LogOptions } from './options.ts'
import type { Target } from './target.ts'
import { abortedTransactions } from './txn-index.ts'

/** `millrace log dump`: shows what files hold. Exit code 1 when some of it is not valid. */
export async function dump(environment: ToolEnvironment, options: LogOptions, target: Target): Promise<number> {
  const work = new Dump(environment, options, target)
  await work.run()
  return work.valid ? exitCode.ok : exitCode.found
}

class Dump {
  private readonly environment: ToolEnvironment
  private readonly options: LogOptions
  private readonly target: Target
  private readonly lines: Lines
  valid = true

  constructor(environment: ToolEnvironment, options: LogOptions, target: Target) {
    this.environment = environment
    this.options = options
    this.target = target
    this.lines = new Lines(environment.out)
  }

  async run(): Promise<void> {
    const { target, options } = this
    if (options.files.has('checkpoints') && target.root !== undefined)
      for (const name of Object.values(checkpointNames)) await this.textFile(`${target.root}/${name}`, name)
    for (const name of target.partitions) await this.partition(name)
    await this.lines.flush()
  }

  private async partition(name: string): Promise<void> {
    const path = this.target.pathOf(name)
    const entries = this.environment.files.list(path).filter(entry => entry.kind === 'file')
    const bases = entries.flatMap(entry => {
      const file = classify(entry.name)
      return file.kind === 'log' ? [file.offset] : []
    })
    for (const entry of entries) {
      const file = classify(entry.name)
      if ('offset' in file && file.kind !== 'snapshot') {
        const next = bases.filter(base => base > file.offset).sort((a, b) => a - b)[0]
        if (!this.wanted(file.offset, next)) continue
      }
      try {
        await this.file(entry, path, name)
      } catch (error) {
        if (errorCode(error) === undefined || errorCode(error) === 'EPIPE') throw error
        this.valid = false
        await this.environment.errors.write(`millrace: ${name}/${entry.name}: ${errorText(error)}\n`)
      }
    }
  }

  /** Whether a segment holds what was asked for; `next` is the base offset of the one behind it. */
  private wanted(base: number, next: number | undefined): boolean {
    const { segment, from, to } = this.options
    if (segment !== undefined) return segment === base
    return (from === undefined || next === undefined || next > from) && (to === undefined || base <= to)
  }

  private async file(entry: Entry, directory: string, partition: string): Promise<void> {
    const { files } = this.options
    const path = `${directory}/${entry.name}`
    const shown = `${partition}/${entry.name}`
    const file = classify(entry.name)
    const has = (kind: DumpableFile) => files.has(kind)
    if (file.kind === 'log' && has('log')) await this.log(path, shown, file.offset)
    else if (file.kind === 'index' && has('index')) await this.index(path, shown, file.offset)
    else if (file.kind === 'timeindex' && has('timeindex')) await this.timeIndex(path, shown, file.offset)
    else if (file.kind === 'txnindex' && has('txnindex')) await this.aborted(path, shown)
    else if (file.kind === 'snapshot' && has('snapshot')) await this.snapshot(path, shown)
    else if (file.kind === 'epochs' && has('epochs')) await this.epochs(path, shown)
    else if (file.kind === 'metadata' && has('metadata')) await this.textFile(path, shown)
    else if (/leftover|swap|aside|prepared|other/.test(file.kind) && has('leftovers'))
      await this.say({ type: 'leftover', file: shown, kind: file.kind, size: entry.sizeBytes })
  }

  private async heading(path: string): Promise<void> {
    if (!this.options.json) await this.lines.line(`Dumping ${path}`)
  }

  /** A line of its fields; of JSON, all of them, of text what comes behind type and file. */
  private async say({
    type,
    file,
    ...fields
  }: { type: string; file: string } & Record<string, unknown>): Promise<void> {
    await this.lines.line(this.options.json ? json({ type, file, ...fields }) : fieldsText(fields))
  }

  private async invalid(file: string, message: string): Promise<void> {
    this.valid = false
    await this.lines.line(
      this.options.json ? json({ type: 'invalid', file, message }) : `${file} is not valid: ${message}`,
    )
  }

  private async log(path: string, file: string, base: number): Promise<void> {
    const { files, checksum } = this.environment
    const { from } = this.options
    await this.heading(path)
    if (!this.options.json) await this.lines.line(`Log starting offset: ${base}`)
    const reader = openReader(files, path, checksum)
    try {
      const index = `${path.slice(0, path.lastIndexOf('/'))}/${segmentFileName(base, 'index')}`
      const position = from === undefined || from <= base ? 0 : positionOf(files, reader, index, base, from)
      if (!(await new LogDump(reader, this.lines, this.options, file).run(position))) this.valid = false
    } finally {
      reader.file.close()
    }
  }

  private bytes(path: string): Uint8Array {
    const bytes = readWhole(this.environment.files, path, indexBytesMax)
    if (bytes === 'tooLarge')
      throw Object.assign(new Error('larger than any file of its kind'), { code: 'EFBIG', path })
    return bytes ?? new Uint8Array()
  }

  private async index(path: string, file: string, base: number): Promise<void> {
    await this.heading(path)
    const content = indexContent(this.bytes(path), offsetEntryBytes)
    const entry = { offset: -1, position: -1 }
    for (let i = 0; i < content.count; i++) {
      offsetEntryAt(content, i, base, entry)
      await this.say({ type: 'index', file, ...entry })
    }
    if (content.ragged) await this.invalid(file, 'its last entry is not whole')
  }

  private async timeIndex(path: string, file: string, base: number): Promise<void> {
    await this.heading(path)
    const content = indexContent(this.bytes(path), timeEntryBytes)
    const entry = { timestamp: -1, offset: -1 }
    for (let i = 0; i < content.count; i++) {
      timeEntryAt(content, i, base, entry)
      await this.say({ type: 'timeindex', file, ...entry })
    }
    if (content.ragged) await this.invalid(file, 'its last entry is not whole')
  }

  private async aborted(path: string, file: string): Promise<void> {
    await this.heading(path)
    for (const entry of abortedTransactions(this.bytes(path))) await this.say({ type: 'txnindex', file, ...entry })
  }

  private async snapshot(path: string, file: string): Promise<void> {
    await this.heading(path)
    const producers = decodeProducerSnapshot(this.bytes(path))
    if (producers === undefined) return await this.invalid(file, 'it is not whole, or its checksum does not hold')
    for (const [producerId, entry] of producers) {
      const { producerEpoch, coordinatorEpoch, batches, lastTimestampMs, transactionStart } = entry
      // Of who is known by a marker alone there is no batch.
      const last = batches[batches.length - 1] ?? { baseSequence: -1, lastSequence: -1, baseOffset: -1, lastOffset: -1 }
      await this.say({
        type: 'snapshot',
        file,
        producerId,
        producerEpoch,
        coordinatorEpoch,
        currentTxnFirstOffset: transactionStart,
        lastTimestamp: lastTimestampMs,
        firstSequence: last.baseSequence,
        lastSequence: last.lastSequence,
        lastOffset: last.lastOffset,
        offsetDelta: last.lastOffset - last.baseOffset,
      })
    }
  }

  private async epochs(path: string, file: string): Promise<void> {
    await this.heading(path)
    const entries = parseEpochs(new TextDecoder().decode(this.bytes(path)))
    if (entries === undefined) return await this.invalid(file, 'it is not whole')
    for (const { epoch, startOffset } of entries) await this.say({ type: 'epochs', file, epoch, startOffset })
  }

  private async textFile(path: string, file: string): Promise<void> {
    if (!this.environment.files.exists(path)) return
    await this.heading(path)
    const text = new TextDecoder().decode(this.bytes(path))
    for (const line of text.split('\n').filter(each => each !== ''))
      await this.lines.line(this.options.json ? json({ type: 'text', file, line }) : line)
  }
}
