import type { Logger } from '../base/logger.ts'
import type { Disk } from '../base/world.ts'
import { formatPartitionMetadata, parsePartitionMetadata } from './checkpoint-files.ts'
import { metadataLogName } from './data-directory.ts'

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

  /** Makes a directory `topicId`'s own; returns whether there was none before. */
  async claim(path: string, topicId: string): Promise<boolean> {
    const { disk } = this
    const owner = await this.ownerOf(path)
    // What a deletion could not remove must not come back as another topic's records.
    if (owner !== undefined && owner !== topicId) await this.setAside(path, owner)
    const isNew = !(await disk.exists(path))
    if (isNew) await disk.makeDirectory(path)
    if (owner !== topicId) await disk.replace(`${path}/partition.metadata`, formatPartitionMetadata(topicId))
    return isNew
  }

  /** The id of the topic that a directory belongs to, where it says so. */
  async ownerOf(path: string): Promise<string | undefined> {
    const metadata = await this.disk.read(`${path}/partition.metadata`)
    return metadata === undefined ? undefined : parsePartitionMetadata(new TextDecoder().decode(metadata))
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
      const topicId = await this.ownerOf(path)
      const expected = owner(name)
      if (expected !== undefined && (topicId === undefined || topicId === expected)) continue
      await this.setAside(path, topicId)
    }
  }

  private async setAside(path: string, topicId: string | undefined): Promise<void> {
    const stray = `${path}.${topicId ?? 'unknown'}-stray`
    this.logger.warn({ directory: path, renamedTo: stray }, 'a directory belongs to no topic and was set aside')
    await this.disk.rename(path, stray)
  }
}
