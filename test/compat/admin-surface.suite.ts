/**
 * What Kafka's own Java Admin makes of the administration beyond topics, configs and groups. One run of
 * `java/AdminSurface.java` prints what each call gave.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BrokerUnderTest } from './lib/broker.ts'
import { installJava } from './lib/install.ts'
import { run } from './lib/process.ts'

const timeout = 90_000
const heapMb = 256
const program = fileURLToPath(new URL('java/AdminSurface.java', import.meta.url))

let broker: BrokerUnderTest
let lines: string[] = []

before(
  async () => {
    broker = await BrokerUnderTest.start()
    const java = await installJava('tools', heapMb)
    const { stdout } = await run('java', [...java, program, broker.bootstrap], { timeoutMs: timeout })
    lines = stdout.split('\n')
  },
  { timeout },
)

after(() => broker?.destroy())

/** What each call gives; decision 22 tells why some are refused. */
const expected: readonly (readonly [call: string, gives: RegExp])[] = [
  ['clientInstanceId', /^false$/],
  ['describeProducers', /^1 0 2 OptionalLong\.empty$/],
  ['describeLogDirs', /^1 true true$/],
  ['describeReplicaLogDirs', /^null$/],
  ['alterReplicaLogDirs', /^! LogDirNotFoundException/],
  ['electLeaders', /^ElectionNotNeededException$/],
  ['electAllLeaders', /^\{\}$/],
  ['alterPartitionReassignments', /^null$/],
  ['cancelReassignment', /^! NoReassignmentInProgressException/],
  ['listPartitionReassignments', /^\{\}$/],
  ['describeMetadataQuorum', /^1 1 0 true$/],
  ['describeFeatures', /group\.version=FinalizedVersionRange\[min_version_level:1, max_version_level:1\]/],
  ['updateFeatures', /max_version_level:30/],
  ['updateUnknownFeature', /^! InvalidUpdateVersionException/],
  ['describeClientQuotas', /^\{\}$/],
  ['alterClientQuotas', /^! UnsupportedVersionException: This broker enforces no client quotas/],
  ['describeUserScramCredentials', /^\{\}$/],
  ['describeAcls', /^! SecurityDisabledException/],
  ['describeDelegationToken', /^! UnsupportedByAuthenticationException/],
  ['listTransactions', /^\[\]$/],
  ['describeTransactions', /^! TransactionalIdNotFoundException/],
  ['listClientMetricsResources', /^\[ConfigResource\(type=CLIENT_METRICS, name='m'\)\]$/],
  ['unregisterBroker', /^! BrokerIdNotRegisteredException/],
  ['addRaftVoter', /^! UnsupportedVersionException/],
]

for (const [call, gives] of expected)
  test(`Admin: ${call}`, () => {
    const line = lines.find(each => each.startsWith(`${call} `))
    assert.ok(line !== undefined, `${call} was not made; the calls ended with ${lines.slice(-3).join('\n')}`)
    assert.match(line.slice(call.length + 1), gives)
  })
