import { type LazyHandler, lazily } from '../api/lazy.ts'
import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'

/** What the group APIs are served from; both come with the first request. */
export interface GroupService {
  coordinator(): Promise<GroupCoordinator>
  /** KIP-848 groups are served: the cluster's group.version is at least 1, and the broker's configs do not forbid it. */
  consumerProtocol(): boolean
}

/** The APIs of consumer groups, but FindCoordinator. */
export function groupHandlers({ coordinator, consumerProtocol }: GroupService): LazyHandler[] {
  return [
    lazily({ key: 8, min: 2, max: 10 }, async () =>
      (await import('../api/offset-commit.ts')).serveOffsetCommit(await coordinator()),
    ),
    lazily({ key: 9, min: 1, max: 10 }, async () =>
      (await import('../api/offset-fetch.ts')).serveOffsetFetch(await coordinator()),
    ),
    lazily({ key: 11, min: 0, max: 9 }, async () =>
      (await import('../api/join-group.ts')).serveJoinGroup(await coordinator()),
    ),
    lazily({ key: 12, min: 0, max: 4 }, async () =>
      (await import('../api/heartbeat.ts')).serveHeartbeat(await coordinator()),
    ),
    lazily({ key: 13, min: 0, max: 5 }, async () =>
      (await import('../api/leave-group.ts')).serveLeaveGroup(await coordinator()),
    ),
    lazily({ key: 14, min: 0, max: 5 }, async () =>
      (await import('../api/sync-group.ts')).serveSyncGroup(await coordinator()),
    ),
    lazily({ key: 15, min: 0, max: 6 }, async () =>
      (await import('../api/describe-groups.ts')).serveDescribeGroups(await coordinator()),
    ),
    lazily({ key: 16, min: 0, max: 5 }, async () =>
      (await import('../api/list-groups.ts')).serveListGroups(await coordinator()),
    ),
    lazily({ key: 42, min: 0, max: 3 }, async () =>
      (await import('../api/delete-groups.ts')).serveDeleteGroups(await coordinator()),
    ),
    lazily({ key: 47, min: 0, max: 0 }, async () =>
      (await import('../api/offset-delete.ts')).serveOffsetDelete(await coordinator()),
    ),
    lazily({ key: 68, min: 0, max: 1 }, async () =>
      (await import('../api/consumer-group-heartbeat.ts')).serveConsumerGroupHeartbeat(
        await coordinator(),
        consumerProtocol,
      ),
    ),
    lazily({ key: 69, min: 0, max: 1 }, async () =>
      (await import('../api/consumer-group-describe.ts')).serveConsumerGroupDescribe(
        await coordinator(),
        consumerProtocol,
      ),
    ),
  ]
}
