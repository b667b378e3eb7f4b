import { MillraceError } from '../base/error.ts'
import type { Logger } from '../base/logger.ts'
import { type DirectoryLock, type Disk, OpenTrust, type World } from '../base/world.ts'
import { isDiskFull } from './space-reserve.ts'

/** The log of the cluster's metadata, as in Kafka; it belongs to no topic. */
export const metadataLogName = '__cluster_metadata-0'
/** Kafka's name: present when everything below was flushed and closed. */
const cleanMarker = '.kafka_cleanshutdown'
const bootFile = '.boot_id'
/** A sync failed: what the page cache says may never have reached the disk. */
const failureMarker = '.sync_failed'
const metaFile = 'meta.properties'

export interface DataDirectory {
  readonly path: string
  readonly clusterId: string
  readonly directoryId: string
  /** How the files below were left. */
  readonly trust: OpenTrust
  /** Notes that every log was opened: from now on a killed process leaves files that this boot's page cache vouches for. */
  markOpened(): Promise<void>
  /** Notes that everything was flushed and closed, unless something has failed. */
  markClean(): Promise<void>
  /** Makes the next start verify everything above the recovery points, whatever else happens. */
  markFailed(): Promise<void>
  release(): void
}

export interface DataDirectoryOptions {
  path: string
  nodeId: number
  /** Makes an id for a new cluster or directory. */
  newId(): string
}

/**
 * Takes the directory for this process, finds out how far its files may be trusted, and removes the clean marker, durably,
 * before anything is written.
 */
export async function openDataDirectory(
  world: World,
  logger: Logger,
  options: DataDirectoryOptions,
): Promise<DataDirectory> {
  const { disk } = world
  const { path } = options
  await disk.makeDirectory(path)
  const lock = await disk.lock(`${path}/.lock`)
  if (lock === undefined)
    throw new MillraceError(
      'DATA_DIRECTORY_LOCKED',
      `Another process holds the data directory ${path}. Stop it, or choose another one with --data-dir.`,
    )
  try {
    const { clusterId, directoryId, fresh } = await identify(world, options)
    const trust = fresh ? OpenTrust.clean : await readTrust(world, path)
    await disk.remove(`${path}/${cleanMarker}`)
    if (trust === OpenTrust.reboot)
      logger.warn(
        { path },
        'the machine or a disk failed since the last stop: logs are verified above their recovery points',
      )
    return describe(world, logger, lock, path, clusterId, directoryId, trust)
  } catch (error) {
    lock.release()
    throw error
  }
}

function describe(
  { disk }: World,
  logger: Logger,
  lock: DirectoryLock,
  path: string,
  clusterId: string,
  directoryId: string,
  trust: OpenTrust,
): DataDirectory {
  let failed = false
  return {
    path,
    clusterId,
    directoryId,
    trust,
    async markOpened() {
      try {
        if (!(await isSameBoot(disk, path))) await disk.replace(`${path}/${bootFile}`, await disk.bootId())
      } catch (error) {
        if (!isDiskFull(error)) throw error
        // Files that are not known to be this boot's are only looked at more closely.
        logger.warn({ path }, 'the disk is full: if this process is killed, the next start verifies as after a reboot')
      }
    },
    async markClean() {
      if (failed) return
      await disk.remove(`${path}/${failureMarker}`)
      await disk.replace(`${path}/${cleanMarker}`, '{"version":0,"brokerEpoch":-1}\n')
    },
    async markFailed() {
      failed = true // Whether or not that can be written down.
      // Without it the files are not this boot's. A disk that takes no new file may still let go of one.
      await disk.remove(`${path}/${bootFile}`).catch(() => undefined)
      await disk.replace(`${path}/${failureMarker}`, 'A sync failed.\n')
    },
    release: () => lock.release(),
  }
}

async function readTrust({ disk }: World, path: string): Promise<OpenTrust> {
  if (await disk.exists(`${path}/${failureMarker}`)) return OpenTrust.reboot
  if (await disk.exists(`${path}/${cleanMarker}`)) return OpenTrust.clean
  return (await isSameBoot(disk, path)) ? OpenTrust.sameBoot : OpenTrust.reboot
}

async function isSameBoot(disk: Disk, path: string): Promise<boolean> {
  // One that cannot be read tells as little as none.
  const stored = await disk.read(`${path}/${bootFile}`).catch(() => undefined)
  return stored !== undefined && new TextDecoder().decode(stored) === (await disk.bootId())
}

/** Reads `meta.properties`, or writes it on first use. */
async function identify(
  { disk }: World,
  { path, nodeId, newId }: DataDirectoryOptions,
): Promise<{ clusterId: string; directoryId: string; fresh: boolean }> {
  const file = `${path}/${metaFile}`
  const content = await disk.read(file)
  if (content === undefined) {
    // A new one would call whatever lies here clean.
    const present = await disk.list(path)
    if (present.some(name => name === metadataLogName || /-\d+$/.test(name)))
      throw new MillraceError(
        'META_PROPERTIES',
        `${file} is missing, but logs are there: restore it, or choose an empty data directory.`,
      )
    const ids = { clusterId: newId(), directoryId: newId() }
    const lines = [
      'version=1',
      `cluster.id=${ids.clusterId}`,
      `node.id=${nodeId}`,
      `directory.id=${ids.directoryId}`,
      '',
    ]
    await disk.replace(file, lines.join('\n'))
    return { ...ids, fresh: true }
  }
  const properties = new Map(
    new TextDecoder()
      .decode(content)
      .split('\n')
      .map(line => /^([^#=]+)=(.*)$/.exec(line.trim()))
      .filter(match => match !== null)
      .map(match => [match[1]!, match[2]!]),
  )
  const clusterId = properties.get('cluster.id')
  const directoryId = properties.get('directory.id') ?? newId()
  if (clusterId === undefined || properties.get('node.id') === undefined || properties.get('version') !== '1')
    throw new MillraceError('META_PROPERTIES', `${file} is not whole: restore it, or choose an empty data directory.`)
  if (Number(properties.get('node.id')) !== nodeId)
    throw new MillraceError(
      'META_PROPERTIES',
      `${path} belongs to node ${properties.get('node.id')}, but node.id is ${nodeId}: set node.id, or choose another directory.`,
    )
  return { clusterId, directoryId, fresh: false }
}
