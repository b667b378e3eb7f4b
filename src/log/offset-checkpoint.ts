import type { Logger } from '../base/logger.ts'
import type { Disk } from '../base/world.ts'
import { offsetLine, offsetsHeader, parseOffsets } from './checkpoint-files.ts'

/** Entries of a block: as much is written anew, at least, when one offset moves. */
const blockEntries = 256
/** Blocks written anew before other work gets its turn: about half a millisecond. */
const blocksPerSlice = 8

interface Block {
  readonly offsets: Map<string, number>
  /** The block's lines; undefined when they are out of date. */
  lines: Uint8Array | undefined
}

/**
 * One of Kafka's offset checkpoint files: an offset for each log, by directory name. The file holds all of them, so its lines are
 * kept in blocks: with 20,000 logs of which one moved, a write formats 256 lines and copies the others.
 */
export class OffsetCheckpoint {
  private readonly disk: Disk
  private readonly path: string
  private readonly pause: () => Promise<void>
  private readonly blocks: Block[] = []
  private readonly places = new Map<string, Block>()
  /** Counts changes; `writtenVersion` is what the file holds. */
  private version = 0
  private writtenVersion = -1
  private running: Promise<void> = Promise.resolve()
  /** A write that has not begun: it will hold whatever is set until then. */
  private next: Promise<void> | undefined

  /** `pause` is awaited between slices. */
  constructor(disk: Disk, path: string, pause: () => Promise<void>) {
    this.disk = disk
    this.path = path
    this.pause = pause
  }

  /** Takes in what the file says. A damaged one counts as absent; returns whether it was not damaged. */
  async load(logger: Logger, without = 'every log is verified from its start'): Promise<boolean> {
    const content = await this.disk.read(this.path)
    const entries = content === undefined ? undefined : parseOffsets(new TextDecoder().decode(content))
    if (content !== undefined && entries === undefined)
      logger.warn({ file: this.path }, `a checkpoint is damaged: ${without}`)
    for (const { topic, partition, offset } of entries ?? []) this.set(`${topic}-${partition}`, offset)
    return content === undefined || entries !== undefined
  }

  get(name: string): number | undefined {
    return this.places.get(name)?.offsets.get(name)
  }

  set(name: string, offset: number): void {
    const block = this.places.get(name) ?? this.place(name)
    if (block.offsets.get(name) === offset) return
    block.offsets.set(name, offset)
    this.changed(block)
  }

  delete(name: string): void {
    const block = this.places.get(name)
    if (block === undefined) return
    this.places.delete(name)
    block.offsets.delete(name)
    this.changed(block)
  }

  /** Resolves when what was set before the call is durable. Calls that come while a write runs share the next one. */
  write(): Promise<void> {
    if (this.next !== undefined) return this.next
    const next = this.running
      .catch(() => undefined)
      .then(() => {
        this.next = undefined
        return this.writeOnce()
      })
    this.next = next
    this.running = next
    return next
  }

  private place(name: string): Block {
    const last = this.blocks[this.blocks.length - 1]
    const block =
      last !== undefined && last.offsets.size < blockEntries
        ? last
        : (this.blocks.find(each => each.offsets.size < blockEntries / 2) ?? this.addBlock())
    this.places.set(name, block)
    return block
  }

  private addBlock(): Block {
    const block: Block = { offsets: new Map(), lines: undefined }
    this.blocks.push(block)
    return block
  }

  private changed(block: Block): void {
    block.lines = undefined
    this.version++
  }

  private async writeOnce(): Promise<void> {
    if (this.version === this.writtenVersion) return
    let formatted = 0
    for (const block of this.blocks) {
      if (block.lines !== undefined) continue
      format(block)
      if (++formatted % blocksPerSlice === 0) await this.pause()
    }
    // What changed during the pauses is taken in here, so that the count and the lines are of one moment.
    const version = this.version
    const header = new TextEncoder().encode(offsetsHeader(this.places.size))
    const content = Buffer.concat([header, ...this.blocks.map(block => block.lines ?? format(block))])
    await this.disk.replace(this.path, content)
    this.writtenVersion = version
  }
}

function format(block: Block): Uint8Array {
  let text = ''
  for (const [name, offset] of block.offsets) {
    const dash = name.lastIndexOf('-')
    text += offsetLine({ topic: name.slice(0, dash), partition: Number(name.slice(dash + 1)), offset })
  }
  block.lines = new TextEncoder().encode(text)
  return block.lines
}
