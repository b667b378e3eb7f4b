import type { CoordinatorLocator } from '../api/find-coordinator.ts'
import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { CoordinatorError } from '../coordinator/runtime/coordinator-error.ts'
import type { EndInGroups } from '../coordinator/transaction/marker-writer.ts'
import type { FeatureLevels } from '../metadata/features.ts'
import { consumerOffsetsTopic } from '../metadata/image.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { GroupService } from './group-handlers.ts'
import type { GroupRuntimeParts, RunningGroups } from './group-runtime.ts'

export interface GroupServiceParts extends GroupRuntimeParts {
  readonly features: FeatureLevels
}

/**
 * The coordinator of groups, which a broker without groups never loads: it comes with the first request that is about
 * groups, or with the start of a broker that has some.
 */
export class LazyGroupService implements GroupService, CoordinatorLocator {
  private readonly parts: GroupServiceParts
  private starting: Promise<RunningGroups> | undefined
  private running: RunningGroups | undefined
  private stopped = false

  constructor(parts: GroupServiceParts) {
    this.parts = parts
  }

  readonly coordinator = async (): Promise<GroupCoordinator> => (await this.start()).coordinator

  readonly consumerProtocol = (): boolean =>
    this.parts.live.current.groups.consumerProtocol && this.parts.features.level('group.version') >= 1

  /** Ends a transaction that has offsets of groups. */
  readonly endTransaction: EndInGroups = async (partition, marker, wanted) => {
    try {
      const { runtime } = this.running ?? (await this.start())
      return wanted() ? await runtime.endTransaction(partition, marker) : ErrorCode.NONE
    } catch (error) {
      if (error instanceof CoordinatorError) return error.code
      this.parts.logger.error({ partition, error: String(error) }, 'a transaction could not be ended in its groups')
      return ErrorCode.UNKNOWN_SERVER_ERROR
    }
  }

  async locate(groupId: string): Promise<ErrorCode> {
    const { topic, runtime } = await this.start()
    if (!(await topic.ensure())) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    const index = runtime.partitionFor(groupId)
    const partition = this.parts.table.topic(topic.name)?.partitions[index]
    if (partition === undefined || partition.refusal(-1) !== ErrorCode.NONE) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    // Its members are about to ask.
    runtime.load(index)
    return ErrorCode.NONE
  }

  /** After a start: groups of an earlier life go on, whoever has asked for them. */
  resume(): void {
    const partitions = this.parts.table.topic(consumerOffsetsTopic)?.partitions ?? []
    if (!partitions.some(({ log }) => log !== undefined && log.logEnd > log.logStart)) return
    this.start()
      .then(({ runtime }) => runtime.loadAll())
      .catch((error: unknown) => {
        this.parts.logger.error({ error: String(error) }, 'groups are not loaded before somebody asks for them')
      })
  }

  /** Loads the code, which otherwise comes with the first request. */
  async load(): Promise<void> {
    await this.start()
  }

  stop(): void {
    this.stopped = true
    this.running?.runtime.stop()
  }

  private start(): Promise<RunningGroups> {
    this.starting ??= this.begin()
    return this.starting
  }

  private async begin(): Promise<RunningGroups> {
    const { startGroups } = await import('./group-runtime.ts')
    const running = startGroups(this.parts)
    this.running = running
    if (this.stopped) running.runtime.stop()
    return running
  }
}
