import { batchHeaderBytes } from '../records/batch-header.ts'
import { Attribute, type BatchHeader, codecMask, emptyHeader, isControl, lastOffset } from './batch.ts'
import { batchFields, fieldsText, printable, shown, timestampName } from './dump-text.ts'
import { json, type Lines } from './environment.ts'
import { type ReadFiles, readWhole } from './files.ts'
import { indexBytesMax, indexContent, type OffsetEntry, offsetEntryAt, offsetEntryBytes } from './index-entries.ts'
import type { LogOptions } from './options.ts'
import { RecordWalk } from './record-walk.ts'
import { type Checksum, SegmentReader, wholeBatchBytesMax } from './segment-reader.ts'
import { unfold } from './unfolding.ts'

const controlTypes = ['ABORT', 'COMMIT']

/** One .log file, as kafka-dump-log shows it. */
export class LogDump {
  private readonly reader: SegmentReader
  private readonly lines: Lines
  private readonly options: LogOptions
  private readonly file: string

  constructor(reader: SegmentReader, lines: Lines, options: LogOptions, file: string) {
    this.reader = reader
    this.lines = lines
    this.options = options
    this.file = file
  }

  /** From the batch at `position` on, where one begins. Returns whether all that was shown is valid. */
  async run(position: number): Promise<boolean> {
    const { reader, lines, options } = this
    let valid = true
    for (let at = position; at < reader.sizeBytes; ) {
      const fault = reader.judge(at)
      const header = { ...reader.header }
      if (fault !== undefined && fault.kind !== 'checksum') {
        if (reader.isZeroFrom(at)) {
          await this.say(
            'zeros',
            { position: at, bytes: reader.sizeBytes - at },
            `${reader.sizeBytes - at} bytes of zeros are allocated ahead`,
          )
          break
        }
        const next = reader.findNext(at, 0, Number.MAX_SAFE_INTEGER)
        const bytes = (next < 0 ? reader.endOfContent(at) : next) - at
        await this.say(
          'invalid',
          { position: at, bytes, message: fault.message },
          `Found ${bytes} invalid bytes: ${fault.message}`,
        )
        valid = false
        if (next < 0) break
        at = next
        continue
      }
      if (options.to !== undefined && header.baseOffset > options.to) break
      if (options.from === undefined || lastOffset(header) >= options.from) {
        const fields = batchFields(header, at, fault === undefined)
        const wait = lines.line(options.json ? json({ type: 'batch', file: this.file, ...fields }) : fieldsText(fields))
        if (wait !== undefined) await wait
        if (fault !== undefined) valid = false
        else if (options.records) await this.records(header, at)
      }
      at += header.sizeBytes
    }
    return valid
  }

  private async say(type: string, fields: { position: number } & Record<string, unknown>, text: string): Promise<void> {
    await this.lines.line(
      this.options.json ? json({ type, file: this.file, ...fields }) : `position: ${fields.position} ${text}`,
    )
  }

  private async records(header: BatchHeader, position: number): Promise<void> {
    const { reader } = this
    if (header.recordCount === 0) return
    if (header.sizeBytes > wholeBatchBytesMax)
      return await this.say('skipped', { position }, `a batch of ${header.sizeBytes} bytes is not looked into`)
    const at = reader.load(position, header.sizeBytes)
    let section = reader.bytes.subarray(at + batchHeaderBytes, at + header.sizeBytes)
    if ((header.attributes & codecMask) !== 0) {
      const unfolded = await unfold(header, reader.bytes.subarray(at, at + header.sizeBytes))
      if ('fault' in unfolded)
        return await this.say(
          'invalid',
          { position, message: unfolded.fault },
          `its records cannot be unfolded: ${unfolded.fault}`,
        )
      section = unfolded.section
    }
    const walk = new RecordWalk(section)
    for (let index = 0; index < header.recordCount; index++) {
      const wrong = walk.next()
      if (wrong !== undefined)
        return await this.say('invalid', { position, message: wrong }, `record ${index} is malformed: ${wrong}`)
      const wait = this.lines.line(this.recordLine(header, walk, section))
      if (wait !== undefined) await wait
    }
  }

  private recordLine(header: BatchHeader, walk: RecordWalk, section: Uint8Array): string {
    const { options } = this
    const bytesAt = (at: number, length: number) => (length < 0 ? null : section.subarray(at, at + length))
    const key = bytesAt(walk.keyAt, walk.keyLength)
    const value = bytesAt(walk.valueAt, walk.valueLength)
    const headerKeys: string[] = []
    const headers: { key: string; value: string | null }[] = []
    walk.headers((name, content) => {
      const shownName = shown(name, 'text', options.maxBytes)!
      headerKeys.push(shownName)
      if (options.headers) headers.push({ key: shownName, value: shown(content, options.values, options.maxBytes) })
    })
    const appended = (header.attributes & Attribute.logAppendTime) !== 0
    const control = isControl(header) ? controlOf(key, value) : undefined
    const fields = {
      offset: header.baseOffset + walk.offsetDelta,
      [timestampName(header)]: appended ? header.maxTimestamp : header.baseTimestamp + walk.timestampDelta,
      keySize: walk.keyLength,
      valueSize: walk.valueLength,
      sequence: header.baseSequence < 0 ? -1 : (header.baseSequence + walk.offsetDelta) % 0x80000000,
    }
    const shownKey = options.keys === 'none' ? undefined : shown(key, options.keys, options.maxBytes)
    const shownValue = options.values === 'none' ? undefined : shown(value, options.values, options.maxBytes)
    if (options.json) {
      const content = control ?? { key: shownKey, payload: shownValue }
      return json({ type: 'record', ...fields, headerKeys, ...(options.headers ? { headers } : {}), ...content })
    }
    let text = `| ${fieldsText(fields)} headerKeys: [${headerKeys.map(printable).join(',')}]`
    if (options.headers)
      text += ` headers: [${headers.map(each => `${printable(each.key)}=${printable(each.value ?? 'null')}`).join(',')}]`
    if (control !== undefined) return `${text} ${fieldsText(control)}`
    if (shownKey !== undefined && shownKey !== null) text += ` key: ${printable(shownKey)}`
    if (shownValue !== undefined && shownValue !== null) text += ` payload: ${printable(shownValue)}`
    return text
  }
}

/** What a control record says; its type's number where that is not known. */
function controlOf(key: Uint8Array | null, value: Uint8Array | null): Record<string, unknown> {
  if (key === null || key.length < 4) return { controlType: 'malformed' }
  const type = new DataView(key.buffer, key.byteOffset).getInt16(2)
  const name = controlTypes[type]
  if (name === undefined) return { controlType: type }
  const coordinatorEpoch =
    value === null || value.length < 6 ? null : new DataView(value.buffer, value.byteOffset).getInt32(2)
  return { endTxnMarker: name, coordinatorEpoch }
}

/** Where to begin so that nothing from offset `from` on is missed: by the index, if it leads to a sound batch. */
export function positionOf(
  files: ReadFiles,
  reader: SegmentReader,
  indexPath: string,
  base: number,
  from: number,
): number {
  const bytes = readWhole(files, indexPath, indexBytesMax)
  if (bytes === undefined || bytes === 'tooLarge') return 0
  const content = indexContent(bytes, offsetEntryBytes)
  const entry: OffsetEntry = { offset: -1, position: -1 }
  let low = 0
  let high = content.count
  while (low < high) {
    const middle = (low + high) >> 1
    offsetEntryAt(content, middle, base, entry)
    if (entry.offset <= from) low = middle + 1
    else high = middle
  }
  if (low === 0) return 0
  offsetEntryAt(content, low - 1, base, entry)
  const header = emptyHeader()
  const sound = reader.peek(entry.position, header) && reader.judge(entry.position) === undefined
  return sound && lastOffset(header) === entry.offset ? entry.position : 0
}

export const openReader = (files: ReadFiles, path: string, checksum: Checksum): SegmentReader =>
  new SegmentReader(files.open(path), checksum)
