import type { Logger } from '../base/logger.ts'
import type { DirectoryLook, Disk } from '../base/world.ts'
import { formatPartitionMetadata, parsePartitionMetadata } from './checkpoint-files.ts'
import { metadataLogName } from './data-directory.ts'
import { lookAt, putFiles } from './directory-files.ts'

const metadataFile = 'partition.metadata'
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
   * Makes a directory `topicId`'s own; returns what was in it, undefined where there was none before. Nothing of it is
   * durable: the directory becomes so with the log's first flush, and a start writes again what it does not find.
   */
  async claim(path: string, topicId: string): Promise<DirectoryLook | undefined> {
    let look = await lookAt(this.disk, path)
    const owner = ownerIn(look?.contents.get(metadataFile))
    // What a deletion could not remove must not come back as another topic's records.
    if (owner !== undefined && owner !== topicId) {
      await this.setAside(path, owner)
      look = undefined
    }
    if (look === undefined || owner !== topicId)
      await putFiles(this.disk, path, new Map([[metadataFile, utf8.encode(formatPartitionMetadata(topicId))]]))
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
      // That it is another topic's all the same is found out when it is opened.
      if (owner(name) !== undefined) continue
      const topicId = await this.ownerOf(path)
      await this.setAside(path, topicId)
    }
  }

  private async setAside(path: string, topicId: string | undefined): Promise<void> {
    const stray = `${path}.${topicId ?? 'unknown'}-stray`
    this.logger.warn({ directory: path, renamedTo: stray }, 'a directory belongs to no topic and was set aside')
    await this.disk.rename(path, stray)
  }
}

const ownerIn = (metadata: Uint8Array | undefined): string | undefined =>
  metadata === undefined ? undefined : parsePartitionMetadata(new TextDecoder().decode(metadata))
