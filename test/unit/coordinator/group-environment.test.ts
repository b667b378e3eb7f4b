import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Configs } from '../../../src/config/definition.ts'
import { refuseGroupConfigs } from '../../../src/config/group-definitions.ts'
import { LiveSettings } from '../../../src/config/live-settings.ts'
import { ClusterTopics, type TopicNews } from '../../../src/coordinator/group/cluster-topics.ts'
import { LiveGroupSettings } from '../../../src/coordinator/group/live-group-settings.ts'
import { ClusterImage, type TopicImage } from '../../../src/metadata/image.ts'
import { topicNamed } from '../../support/group-shard-parts.ts'

/** Configs of groups as the metadata have them. */
class StoredConfigs {
  private readonly configs = new Map<string, Configs>()
  private listener: (name: string, configs: Configs) => void = () => {}

  get = (_: string, name: string) => this.configs.get(name) ?? {}
  names = () => [...this.configs.keys()]
  watch = (_: string, listener: (name: string, configs: Configs) => void) => {
    this.listener = listener
    return () => {}
  }

  set(name: string, configs: Configs): void {
    this.configs.set(name, configs)
    this.listener(name, configs)
  }
}

test("a group's own settings count at once, within the broker's bounds as they are now", () => {
  const live = new LiveSettings({ 'group.consumer.max.heartbeat.interval.ms': '20000', 'group.max.size': '7' })
  const stored = new StoredConfigs()
  stored.set('early', { 'consumer.session.timeout.ms': '50000' })
  const settings = new LiveGroupSettings(live, stored)
  assert.equal(settings.maxSize, 7)
  assert.equal(settings.consumer('early').sessionTimeoutMs, 50_000)
  assert.deepEqual(settings.consumer('other'), {
    sessionTimeoutMs: 45_000,
    heartbeatIntervalMs: 5_000,
    assignmentIntervalMs: 1_000,
  })
  stored.set('g', { 'consumer.heartbeat.interval.ms': '18000' })
  assert.equal(settings.consumer('g').heartbeatIntervalMs, 18_000)
  stored.set('g', { 'consumer.heartbeat.interval.ms': '999000' })
  assert.equal(settings.consumer('g').heartbeatIntervalMs, 20_000, 'what was set under wider bounds is the nearest')
  live.replace('dynamicDefault', { 'group.consumer.assignment.interval.ms': '0' })
  assert.equal(settings.consumer('g').assignmentIntervalMs, 0)
  assert.equal(settings.consumer('other').assignmentIntervalMs, 0)
  stored.set('g', {})
  assert.equal(settings.consumer('g').heartbeatIntervalMs, 5_000)
})

test("a group's configs are refused beyond the broker's bounds, and where they do not go together", () => {
  const { layers } = new LiveSettings({
    'group.consumer.max.heartbeat.interval.ms': '70000',
    'group.consumer.min.session.timeout.ms': '1000',
  })
  const why = (configs: Record<string, string>) => refuseGroupConfigs(configs, layers)?.message
  assert.equal(why({ 'consumer.heartbeat.interval.ms': '15001', 'consumer.session.timeout.ms': '60000' }), undefined)
  assert.equal(
    why({ 'consumer.heartbeat.interval.ms': '70001' }),
    'consumer.heartbeat.interval.ms must be in the range 5000 to 70000 inclusive.',
  )
  assert.equal(
    why({ 'consumer.session.timeout.ms': '5000' }),
    'consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms',
  )
})

const image = (name: string, id: string, partitions: number): TopicImage => ({
  name,
  id: topicNamed(id, 1).id,
  partitions: Array.from({ length: partitions }, () => ({ leader: 1, leaderEpoch: 0, isr: [1], replicas: [1] })),
  configs: {},
})

test('topics that come, grow or go are told once a turn of the loop; one that is configured is no news', () => {
  const cluster = new ClusterImage()
  const later: (() => void)[] = []
  const told: TopicNews[] = []
  const topics = new ClusterTopics(
    cluster,
    run => later.push(run),
    news => told.push(news),
  )
  const turn = () => {
    for (const run of later.splice(0)) run()
    return told.splice(0).map(({ changed, deleted }) => [[...changed], deleted.map(({ id }) => id)])
  }
  cluster.put(image('a', 'a1', 1))
  cluster.put(image('b', 'b1', 1))
  assert.deepEqual(turn(), [[['a', 'b'], []]])
  const { version } = topics
  cluster.put({ ...image('a', 'a1', 1), configs: { 'retention.ms': '1' } })
  assert.deepEqual([turn(), topics.version], [[], version])
  cluster.put(image('a', 'a1', 2))
  assert.deepEqual([turn(), topics.topic('a')?.partitions], [[[['a'], []]], 2])
  cluster.remove(image('a', 'a1', 2))
  cluster.put(image('a', 'a2', 1))
  assert.deepEqual(turn(), [[['a'], [image('a', 'a1', 1).id]]], 'another topic of the same name')
  assert.equal(topics.topicById(image('a', 'a1', 1).id), undefined)
  assert.deepEqual(
    [...topics.topics()].map(({ name }) => name),
    ['b', 'a'],
  )
})
