import { closeSync, ftruncateSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { buildBatch, type RecordInput } from '../../src/records/record-batch.ts'

const word = (value: number | bigint): bigint => BigInt.asUintN(64, BigInt(value))

/** As native/core/embedded/open_batch.cc mixes a header. */
function mix(hash: bigint, value: bigint): bigint {
  const mixed = BigInt.asUintN(64, (hash ^ value) * 0x9e3779b97f4a7c15n)
  return (mixed ^ (mixed >> 32n)) & 0xffffffffn
}

const pair = (low: number, high: number): bigint => BigInt(low) | (BigInt(high) << 32n)

const logName = (base: number, kind = 'log'): string => `${String(base).padStart(20, '0')}.${kind}`

/** A whole batch at an offset. */
export function batchAt(baseOffset: number, records: readonly RecordInput[], timestampMs = 1000): Uint8Array {
  const batch = buildBatch({ records, timestampMs })
  new DataView(batch.buffer).setBigInt64(0, BigInt(baseOffset))
  return batch
}

/** A writer of embedded logs that does what it is told, one step at a time: what a reader may meet, in files. */
export class EmbeddedFiles {
  readonly directory: string
  base = 0
  position = 0
  end = 0
  start = 0
  private bases: number[]
  private fileChanges = 1
  private sequence = 0n
  private file: number
  private sidecar: number | undefined
  private open: { base: number; bytes: Uint8Array; records: number; max: number; inputs: RecordInput[] } | undefined

  constructor(directory: string, base = 0) {
    this.directory = directory
    this.base = base
    this.end = base
    this.start = base
    this.bases = [base]
    this.file = openSync(join(directory, logName(base)), 'w+')
  }

  path(base = this.base, kind = 'log'): string {
    return join(this.directory, logName(base, kind))
  }

  /** Sealed batches. */
  append(...batches: readonly (readonly RecordInput[])[]): this {
    for (const records of batches) this.appendRaw(batchAt(this.end, records), records.length)
    return this
  }

  appendRaw(batch: Uint8Array, records: number): void {
    writeSync(this.file, batch, 0, batch.length, this.position)
    this.position += batch.length
    this.end += records
    this.publish()
  }

  /** Room behind the batches, as a writer has it. */
  allocate(bytes: number): this {
    ftruncateSync(this.file, this.position + bytes)
    return this
  }

  /** A new segment; the last one is trimmed. */
  roll(): this {
    this.seal()
    ftruncateSync(this.file, this.position)
    closeSync(this.file)
    this.base = this.end
    this.bases.push(this.base)
    this.position = 0
    this.file = openSync(this.path(), 'w+')
    this.filesChanged()
    return this
  }

  /** Retention: the log begins with this segment. */
  startAt(base: number): this {
    this.start = base
    this.filesChanged()
    return this.removeBefore(base)
  }

  removeBefore(base: number): this {
    for (const each of this.bases.filter(each => each < base)) rmSync(this.path(each))
    this.bases = this.bases.filter(each => each >= base)
    return this
  }

  filesChanged(): void {
    this.fileChanges++
    this.publish()
  }

  /** Begins to be a writer that has the log open. */
  attach(): this {
    const page = new DataView(new ArrayBuffer(4096))
    page.setBigUint64(0, 0x4843544142504f4dn, true)
    page.setUint32(8, 1, true)
    page.setUint32(12, 4096, true)
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').replaceAll('-', '')
    for (let i = 0; i < 16; i++) page.setUint8(16 + i, Number.parseInt(bootId.slice(2 * i, 2 * i + 2), 16))
    const path = join(this.directory, 'open-batch')
    this.sidecar = openSync(`${path}.new`, 'w+')
    writeSync(this.sidecar, new Uint8Array(page.buffer))
    this.publish()
    renameSync(`${path}.new`, path)
    return this
  }

  /** One more record of the open batch. */
  push(record: RecordInput): this {
    const inputs = [...(this.open?.inputs ?? []), record]
    const bytes = batchAt(this.open?.base ?? this.end, inputs)
    const max = Math.max(...inputs.map(input => input.timestampMs ?? 1000))
    writeSync(this.file, bytes, 61, bytes.length - 61, this.position + 61)
    this.open = { base: this.open?.base ?? this.end, bytes, records: inputs.length, max, inputs }
    this.end++
    this.publish()
    return this
  }

  seal(): this {
    if (this.open === undefined) return this
    writeSync(this.file, this.open.bytes, 0, 61, this.position)
    this.position += this.open.bytes.length
    this.open = undefined
    this.publish()
    return this
  }

  /** A clean close: the sidecar says so and goes. */
  detach(): void {
    this.seal()
    ftruncateSync(this.file, this.position)
    this.store(224, 4, 2n)
    rmSync(join(this.directory, 'open-batch'), { force: true })
    if (this.sidecar !== undefined) closeSync(this.sidecar)
    this.sidecar = undefined
  }

  close(): void {
    closeSync(this.file)
    if (this.sidecar !== undefined) closeSync(this.sidecar)
    this.sidecar = undefined
  }

  private publish(): void {
    if (this.sidecar === undefined) return
    const { open } = this
    this.sequence++
    const words = [
      word(this.base),
      word(open?.base ?? this.end),
      word(open?.inputs[0]?.timestampMs ?? 1000),
      pair(this.position, 0),
      this.sequence,
      word(open?.max ?? -1),
      pair(open?.bytes.length ?? 0, open?.records ?? 0),
    ]
    words.push(words.reduce(mix, 1n) << 32n)
    const slot = new DataView(new ArrayBuffer(64))
    for (const [i, value] of words.entries()) slot.setBigUint64(i * 8, value, true)
    this.store(192, 8, word(this.start))
    this.store(200, 8, word(this.end))
    this.store(216, 8, word(this.fileChanges))
    this.store(224, 4, 1n)
    writeSync(this.sidecar, new Uint8Array(slot.buffer), 0, 64, 64 + Number(this.sequence & 1n) * 64)
  }

  private store(at: number, bytes: number, value: bigint): void {
    const view = new DataView(new ArrayBuffer(8))
    view.setBigUint64(0, value, true)
    if (this.sidecar !== undefined) writeSync(this.sidecar, new Uint8Array(view.buffer), 0, bytes, at)
  }
}
