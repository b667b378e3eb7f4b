import { MillraceError } from '../base/error.ts'
import type { Logger } from '../base/logger.ts'
import type { DirectoryLook, Disk } from '../base/world.ts'
import { formatPartitionMetadata, parsePartitionMetadata } from './checkpoint-files.ts'
import { metadataLogName } from './data-directory.ts'
import { lookAt, putFiles } from './directory-files.ts'

const metadataFile = 'partition.metadata'
/** What a crash leaves of a file that was being replaced: what holds an offset in its name is never replaced again. */
const unfinished = /^(?:\d{20}\.(?:snapshot|txnindex)|leader-epoch-checkpoint|partition\.metadata|embedded-log)\.tmp$/
const utf8 = new TextEncoder()

/** Which topic, by id, each partition's directory belongs to; directories that belong to none are set aside. */
export class PartitionDirectories {
  private readonly disk: Disk
  private readonly root: string
  private readonly logger: Logger

  constructor(disk: Disk, root: string, logger: Logger) {
    this.disk = disk
    this.root = root
    this.logger = logger
  }

  /**
   * Makes a directory `topicId`'s own, without what a crash left half written; returns what was in it, undefined where there was none before. Another topic's is
   * put aside if it `mayGo`. Nothing of it is durable: the directory becomes so with the log's first flush, and a start
   * writes again what it does not find.
   */
  async claim(path: string, topicId: string, mayGo: (owner: string) => boolean): Promise<DirectoryLook | undefined> {
    let look = await lookAt(this.disk, path)
    const owner = ownerIn(look?.contents.get(metadataFile))
    // What a deletion could not remove must not come back as another topic's records.
    if (owner !== undefined && owner !== topicId) {
      if (!mayGo(owner))
        throw new MillraceError(
          'PARTITION_METADATA',
          `${path}/${metadataFile} says that the records belong to topic id ${owner}, and the cluster metadata know ` +
            `the topic as ${topicId}. Put the right id there, or move the directory away to begin an empty partition.`,
        )
      await this.setAside(path, owner)
      look = undefined
    }
    if (look === undefined || owner !== topicId)
      await putFiles(this.disk, path, new Map([[metadataFile, utf8.encode(formatPartitionMetadata(topicId))]]))
    for (const name of look?.names ?? []) if (unfinished.test(name)) await this.disk.remove(`${path}/${name}`)
    return look
  }

  /** The id of the topic that a directory belongs to, where it says so. */
  async ownerOf(path: string): Promise<string | undefined> {
    return ownerIn(await this.disk.read(`${path}/${metadataFile}`))
  }

  /**
   * Directories that no topic owns: `-delete` ones are removed, others renamed to `-stray` and reported, never deleted:
   * they may be the only copy of something. `owner` tells the topic id that should own a directory.
   */
  async sweep(owner: (name: string) => string | undefined): Promise<void> {
    for (const name of await this.disk.list(this.root)) {
      const path = `${this.root}/${name}`
      if (name.endsWith('-delete')) {
        await this.disk.removeTree(path)
        continue
      }
      if (name === metadataLogName || name.endsWith('-stray') || !/-\d+$/.test(name)) continue
      // Whose a topic's directory says it is comes up when it is opened.
      if (owner(name) !== undefined) continue
      await this.setAside(path, await this.ownerOf(path))
    }
  }

  private async setAside(path: string, topicId: string | undefined): Promise<void> {
    const stray = `${path}.${topicId ?? 'unknown'}-stray`
    this.logger.warn({ directory: path, renamedTo: stray }, 'a directory belongs to no topic and was set aside')
    await this.disk.rename(path, stray)
  }
}

/** Where the first segment of a partition begins; 0 when there is none. */
export function firstOffset({ names }: DirectoryLook): number {
  const bases = names.map(name => /^(\d{20})\.log$/.exec(name)?.[1]).filter(base => base !== undefined)
  return bases.length === 0 ? 0 : Math.min(...bases.map(Number))
}

const ownerIn = (metadata: Uint8Array | undefined): string | undefined =>
  metadata === undefined ? undefined : parsePartitionMetadata(new TextDecoder().decode(metadata))
