import { brokerSynonyms } from './broker-definitions.ts'
import { topicDefinitions } from './topic-definitions.ts'

/**
 * What configs mean here, for DescribeConfigs. These texts stand apart from the definitions because a broker starts
 * without them; a test holds the two together.
 */

const topicDocumentation: Readonly<Record<string, string>> = {
  'cleanup.policy':
    'What becomes of old segments: "delete" removes them by retention.ms and retention.bytes, "compact" is for topics that ' +
    'are read by key. Both may be named. An empty list keeps everything.',
  'compression.gzip.level': 'The level of gzip, 1 to 9, or -1 for its own choice, where compression.type is gzip.',
  'compression.lz4.level': 'The level of lz4, 1 to 17, where compression.type is lz4.',
  'compression.type': 'How batches are kept. This broker keeps them as producers compressed them: producer.',
  'compression.zstd.level': 'The level of zstd, -131072 to 22, where compression.type is zstd.',
  'delete.retention.ms': 'How long a compacted topic keeps the mark of a deleted key, in milliseconds.',
  'errors.deadletterqueue.group.enable':
    'Whether share groups may write records here that they could not process. Not served: always false.',
  'file.delete.delay.ms':
    'Accepted for the sake of scripts; a removed segment leaves the disk at once, and who still reads it keeps its bytes.',
  'flush.messages':
    'After how many records they are made durable before the last of them is acknowledged, with acks=1 too. With ' +
    'write.caching=false an acks=all record is durable before it is acknowledged, whatever stands here.',
  'flush.ms': 'After how many milliseconds a record is made durable at the latest.',
  'follower.replication.throttled.replicas':
    'Replicas whose fetching is throttled while they follow, as partition:broker,…, or * for all of them.',
  'index.interval.bytes':
    'After how many bytes of records the offset index gets its next entry. More entries find a record with less reading.',
  'leader.replication.throttled.replicas':
    'Replicas to which the leader sends no more than the throttle allows, as partition:broker,…, or * for all of them.',
  'local.retention.bytes': 'Bytes that stay on local disks where older ones are tiered; -2 takes retention.bytes.',
  'local.retention.ms':
    'Milliseconds for which records stay on local disks where older ones are tiered; -2 takes retention.ms.',
  'max.compaction.lag.ms': 'After how many milliseconds a record of a compacted topic becomes due for compaction.',
  'max.decompressed.message.bytes':
    'The largest record after decompression. This broker limits a whole batch, to 128 MB, and no single record.',
  'max.message.bytes': 'The largest batch that is taken, in bytes, as the producer compressed it.',
  'message.timestamp.after.max.ms':
    'How far a record may be ahead of the clock of the broker, in milliseconds, where timestamps are made by producers.',
  'message.timestamp.before.max.ms':
    'How far a record may be behind the clock of the broker, in milliseconds, where timestamps are made by producers.',
  'message.timestamp.type':
    'Whose timestamp a record has: CreateTime, of its producer, or LogAppendTime, of the broker.',
  'min.cleanable.dirty.ratio': 'Which part of a compacted log must be new before it is compacted again.',
  'min.compaction.lag.ms': 'For how many milliseconds a record of a compacted topic is kept as it is.',
  'min.insync.replicas': 'How many replicas must be in sync for an acks=all record to be taken.',
  preallocate:
    'Whether the file of a segment is made at its full size. Here files grow ahead of what is written, in any case.',
  'remote.copy.lag.bytes': 'How many bytes behind the end of the log a segment is tiered.',
  'remote.copy.lag.ms': 'How many milliseconds after its last record a segment is tiered.',
  'remote.log.copy.disable': 'Whether no more segments are tiered.',
  'remote.log.delete.on.disable': 'Whether tiered segments are deleted when tiering is turned off.',
  'remote.storage.enable': 'Whether old segments are tiered. Not served: always false.',
  'retention.bytes':
    'How large a partition may become before its oldest segments go; below zero, as large as the disk.',
  'retention.ms': 'How old records may become before their segments go, in milliseconds; -1 keeps them for ever.',
  'segment.bytes': 'The size of a segment. Retention removes whole segments, never the one that is written to.',
  'segment.index.bytes': 'The largest size of the index of a segment; a full index begins a new segment.',
  'segment.jitter.ms': 'By how much the age at which segments end may differ, so that not all end at once.',
  'segment.ms': 'After how many milliseconds a segment ends although it is not full.',
  'unclean.leader.election.enable':
    'Whether a replica that is not in sync may become leader where no other is left, which loses records.',
  'write.caching':
    'Whether an acks=all record is acknowledged once it is written, as in Kafka, and not only once it is on the disk. ' +
    'true is faster and loses what was not yet on the disk when the power of all its replicas fails.',
}

const brokerDocumentation: Readonly<Record<string, string>> = {
  'advertised.listeners': 'The addresses that clients are told, one for each of listeners, where they differ.',
  'alter.config.policy.class.name': 'A class that judges changes of configs. Not served.',
  'authorizer.class.name': 'A class that judges who may do what. Not served: everybody may do everything.',
  'auto.create.topics.enable': 'Whether a topic is created when a client asks for one that does not exist.',
  'broker.id': 'The older name of node.id; -1 leaves it to that.',
  'broker.rack': 'The rack of this broker, by which replicas and readers are placed.',
  'connections.max.idle.ms': 'After how many milliseconds without a request a connection is closed.',
  'create.topic.policy.class.name': 'A class that judges new topics. Not served.',
  'default.replication.factor': 'How many replicas a topic gets that does not say it.',
  'delete.topic.enable': 'Whether topics can be deleted.',
  'fetch.max.bytes': 'The largest answer to a fetch, in bytes, but for one batch that is larger.',
  'group.consumer.assignment.interval.ms':
    'How long changes of a consumer group are gathered before its partitions are assigned anew.',
  'group.consumer.assignors':
    'How the broker assigns partitions of consumer groups: uniform and range, the one that is preferred first.',
  'group.consumer.heartbeat.interval.ms': 'How often members of a consumer group send heartbeats.',
  'group.consumer.max.assignment.interval.ms': 'The most that a group may set for consumer.assignment.interval.ms.',
  'group.consumer.max.heartbeat.interval.ms': 'The most that a group may set for consumer.heartbeat.interval.ms.',
  'group.consumer.max.session.timeout.ms': 'The most that a group may set for consumer.session.timeout.ms.',
  'group.consumer.max.size':
    'How many members a consumer group of the new protocol (KIP-848) may have; group.max.size is for the classic one.',
  'group.consumer.migration.policy':
    'Whether a group with members may go from the classic protocol to the new one (upgrade), back (downgrade), both ' +
    '(bidirectional), or not at all (disabled). Empty groups always may.',
  'group.consumer.min.assignment.interval.ms': 'The least that a group may set for consumer.assignment.interval.ms.',
  'group.consumer.min.heartbeat.interval.ms': 'The least that a group may set for consumer.heartbeat.interval.ms.',
  'group.consumer.min.session.timeout.ms': 'The least that a group may set for consumer.session.timeout.ms.',
  'group.consumer.regex.refresh.interval.ms':
    'After how long the topics that a regular expression of a consumer group stands for are looked up again.',
  'group.consumer.session.timeout.ms': 'After how long without a heartbeat a member leaves its consumer group.',
  'group.coordinator.append.linger.ms':
    'How long records of groups wait for others, so that fewer appends are made durable; -1: only while there are many.',
  'group.coordinator.rebalance.protocols':
    'Which protocols of groups are served, of classic and consumer; classic always is.',
  'group.initial.rebalance.delay.ms':
    'How long the first rebalance of an empty classic group waits for further members.',
  'group.max.session.timeout.ms': 'The longest session timeout that a member of a classic group may ask for.',
  'group.max.size': 'How many members a classic group may have.',
  'group.min.session.timeout.ms': 'The shortest session timeout that a member of a classic group may ask for.',
  'inter.broker.listener.name': 'The listener that brokers reach each other by. There is one kind: plain text.',
  'listener.security.protocol.map': 'How each listener is secured. There is one kind: plain text.',
  listeners: 'Where clients connect: PLAINTEXT://host:port, any number of them.',
  'log.cleaner.backoff.ms': 'How long the cleaner waits, where no log has to be compacted, before it looks again.',
  'log.cleaner.dedupe.buffer.size':
    'Memory for the map of keys, of all passes at once, in bytes. A log with more new keys is compacted in several passes.',
  'log.cleaner.enable': 'Whether compacted topics are compacted. If not, they keep all their records.',
  'log.cleaner.io.buffer.load.factor': 'Which part of log.cleaner.dedupe.buffer.size may be used, of 0 to 1.',
  'log.cleaner.io.buffer.size': 'Accepted for the sake of scripts; the cleaner chooses the size of its buffers itself.',
  'log.cleaner.io.max.bytes.per.second':
    'How much the cleaner may read and write in a second, all its passes together.',
  'log.cleaner.threads':
    'How many logs are compacted at a time, each on a thread that lives while there is work. They share memory and bytes ' +
    'per second equally. 0: none.',
  'log.dir': 'Where the data lives, where log.dirs is not set.',
  'log.dirs': 'Where the data lives: one directory.',
  'log.flush.offset.checkpoint.interval.ms': 'How often recovery points are written; also each 64 MB of a log.',
  'log.flush.scheduler.interval.ms': 'The default of log.flush.interval.ms.',
  'log.flush.start.offset.checkpoint.interval.ms': 'How often the starts of logs are written.',
  'log.retention.check.interval.ms': 'How often logs are looked at for segments that retention may remove.',
  'max.connections': 'How many connections there may be at a time; further ones wait until one goes.',
  'max.connections.per.ip': 'How many connections one address may have at a time; further ones are closed at once.',
  'max.incremental.fetch.session.cache.slots': 'How many fetch sessions are kept.',
  'max.request.partition.size.limit': 'How many partitions an answer to DescribeTopicPartitions tells at most.',
  'node.id': 'The number of this broker in its cluster.',
  'num.partitions': 'How many partitions a topic gets that does not say it.',
  'offset.metadata.max.bytes': 'The most that a client may store with a committed offset.',
  'offsets.commit.timeout.ms': 'How long a commit, or any other record of a group, may take to become durable.',
  'offsets.load.buffer.size': 'Bytes that are read at a time while groups are loaded.',
  'offsets.retention.check.interval.ms': 'How often committed offsets are looked at for those that have expired.',
  'offsets.retention.minutes':
    'How long committed offsets are kept once their group is empty, or is not subscribed to their topic any more.',
  'offsets.topic.num.partitions': 'How many partitions __consumer_offsets is created with.',
  'offsets.topic.replication.factor': 'How many replicas __consumer_offsets is created with.',
  'offsets.topic.segment.bytes': 'The segment.bytes of __consumer_offsets, when it is created.',
  'process.roles': 'What this process is. Each is broker and controller.',
  'processors.awake.ms':
    'So long after a request began to wait for the disk the processors of the machine do not halt, where this process may ' +
    'ask for that (it may write to /dev/cpu_dma_latency, as root may): what waits is answered sooner, and power is spent. ' +
    '0: they may halt; -1: 2 on a machine of at most four processors, else 0, and 0 for a broker in an app. Not of Kafka.',
  'producer.id.expiration.ms': 'How long an idle producer is remembered, so that what it sends again is recognized.',
  'queued.max.request.bytes': 'Bytes that all requests in memory may have together; -1 is 256 MB.',
  'remote.log.storage.system.enable': 'Whether segments can be tiered. Not served: always false.',
  'security.inter.broker.protocol': 'How brokers talk to each other.',
  'socket.request.max.bytes': 'The largest request that is read, in bytes.',
  'telemetry.max.bytes': 'The most that a client may push of its metrics at once, in bytes.',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms':
    'Accepted for the sake of scripts; a transaction that has run longer than its producer allowed is aborted when it is due.',
  'transaction.max.timeout.ms':
    'The longest timeout that a transactional producer may ask for: readers of committed records wait that long for it.',
  'transaction.partition.verification.enable':
    'Whether the first write of a transaction to a partition is preceded by asking its coordinator about it.',
  'transaction.remove.expired.transaction.cleanup.interval.ms':
    'How often transactional ids are looked at for those that have expired.',
  'transaction.state.log.load.buffer.size': 'Bytes that are read at a time while transactions are loaded.',
  'transaction.state.log.min.isr': 'The min.insync.replicas of __transaction_state, when it is created.',
  'transaction.state.log.num.partitions': 'How many partitions __transaction_state is created with.',
  'transaction.state.log.replication.factor': 'How many replicas __transaction_state is created with.',
  'transaction.state.log.segment.bytes': 'The segment.bytes of __transaction_state, when it is created.',
  'transaction.two.phase.commit.enable':
    'Whether a producer may keep a transaction open without a timeout, for a coordinator outside of the cluster.',
  'transactional.id.expiration.ms':
    'How long a transactional id without an ongoing transaction is remembered after it was last used.',
}

const groupDocumentation: Readonly<Record<string, string>> = {
  'consumer.assignment.interval.ms': 'How long assignments of a consumer group are gathered before they are computed.',
  'consumer.heartbeat.interval.ms': 'How often members of a consumer group send heartbeats.',
  'consumer.session.timeout.ms': 'After how long without a heartbeat a member leaves its consumer group.',
  'errors.deadletterqueue.copy.record.enable':
    'Whether records are copied whole when they go to the dead-letter topic.',
  'errors.deadletterqueue.topic.name': 'Where a share group writes records that it could not process.',
  'share.assignment.interval.ms': 'How long assignments of a share group are gathered before they are computed.',
  'share.auto.offset.reset': 'Where a share group begins that has no offsets: earliest, latest, or by_duration:…',
  'share.delivery.count.limit': 'How often a share group tries to deliver a record.',
  'share.heartbeat.interval.ms': 'How often members of a share group send heartbeats.',
  'share.isolation.level': 'Whether a share group reads records of transactions that were not committed.',
  'share.partition.max.record.locks': 'How many records of a partition a share group may hold at a time.',
  'share.record.lock.duration.ms': 'How long a member of a share group holds a record.',
  'share.renew.acknowledge.enable': 'Whether a member may hold a record for longer.',
  'share.session.timeout.ms': 'After how long without a heartbeat a member leaves its share group.',
  'streams.assignment.interval.ms': 'How long assignments of a streams group are gathered before they are computed.',
  'streams.assignor.name': 'How tasks of a streams group are assigned.',
  'streams.heartbeat.interval.ms': 'How often members of a streams group send heartbeats.',
  'streams.initial.rebalance.delay.ms': 'How long a new streams group waits for further members.',
  'streams.num.standby.replicas': 'How many standby copies each task of a streams group has.',
  'streams.rack.aware.assignment.tags': 'Tags of clients by which standby copies are kept apart.',
  'streams.session.timeout.ms': 'After how long without a heartbeat a member leaves its streams group.',
}

const clientMetricsDocumentation: Readonly<Record<string, string>> = {
  'interval.ms': 'How often clients send the metrics of this subscription, in milliseconds.',
  match: 'Which clients are meant, as name=regular expression; none means all of them.',
  metrics: 'Which metrics are sent, by the beginnings of their names; * means all of them.',
}

export const topicDocumentationOf = (name: string): string | null => topicDocumentation[name] ?? null
export const groupDocumentationOf = (name: string): string | null => groupDocumentation[name] ?? null
export const clientMetricsDocumentationOf = (name: string): string | null => clientMetricsDocumentation[name] ?? null

const unitOf = new Map([
  [3_600_000, ' In hours.'],
  [60_000, ' In minutes.'],
])

/** A broker config that topics take their default from is explained by the topic config. */
export function brokerDocumentationOf(name: string): string | null {
  const own = brokerDocumentation[name]
  if (own !== undefined) return own
  for (const topicName of topicDefinitions.keys()) {
    const synonym = brokerSynonyms(topicName).find(each => each.name === name)
    if (synonym === undefined) continue
    const unit = unitOf.get(synonym.factor ?? 1) ?? ''
    return `For topics that do not set ${topicName}:${unit} ${topicDocumentation[topicName]}`
  }
  return null
}
