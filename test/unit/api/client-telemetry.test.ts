import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientTelemetry } from '../../../src/api/telemetry/client-telemetry.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { ErrorCode, type Uuid, uuidFromBytes } from '../../../src/protocol/index.ts'

const attributes = () => ({
  client_instance_id: '',
  client_id: 'c',
  client_software_name: undefined,
  client_software_version: undefined,
  client_source_address: '127.0.0.1',
  client_source_port: '1',
})

const idOf = (number: number): Uuid => {
  const bytes = Buffer.alloc(16, 1)
  bytes.writeUInt32BE(number)
  return uuidFromBytes(bytes, 0)
}

function telemetry(intervalMs: number) {
  const clock = { nowMs: 0, wallMs: () => 0, monotonicMs: () => clock.nowMs }
  const subscriptions = { version: 0, wantedOf: () => ({ intervalMs, metrics: ['m'] }) }
  return { clock, subscriptions, clients: new ClientTelemetry(subscriptions, 100, clock, silentLogger) }
}

test('a client that is silent for a minute and three intervals is forgotten', () => {
  for (const [intervalMs, kept] of [
    [1_000, 59_999],
    [30_000, 89_999],
  ] as const) {
    const { clock, clients } = telemetry(intervalMs)
    clients.subscribe(idOf(1), attributes)
    clock.nowMs = kept
    clients.subscribe(idOf(2), attributes)
    assert.equal(clients.size, 2)
    clock.nowMs = kept + 1
    clients.subscribe(idOf(3), attributes)
    assert.equal(clients.size, 2, 'the first is gone')
  }
})

test('of too many clients the one that was silent longest is forgotten, and may begin again', () => {
  const { clients } = telemetry(1_000)
  const most = 16_384
  for (let i = 0; i < most; i++) clients.subscribe(idOf(i), attributes)
  assert.equal(clients.subscribe(idOf(0), attributes).code, ErrorCode.THROTTLING_QUOTA_EXCEEDED)
  clients.subscribe(idOf(most), attributes)
  assert.equal(clients.size, most)
  assert.equal(clients.subscribe(idOf(0), attributes).code, ErrorCode.THROTTLING_QUOTA_EXCEEDED, 'it was heard of')
  assert.equal(clients.subscribe(idOf(1), attributes).code, ErrorCode.NONE)
  assert.equal(clients.size, most)
})

test('what is pushed and what is refused is counted', () => {
  const { clock, clients } = telemetry(1_000)
  const { subscriptionId } = clients.subscribe(idOf(1), attributes)
  const push = (bytes: number) => {
    clock.nowMs += 1_000
    return clients.push(idOf(1), attributes, { subscriptionId, terminating: false, compressionType: 0, bytes })
  }
  assert.deepEqual([push(70), push(30), push(101), push(0)], [0, 0, ErrorCode.TELEMETRY_TOO_LARGE, 0])
  assert.deepEqual(clients.totals, { pushes: 2, bytes: 100, refused: 1 })
})

test('two clients that are to push the same have subscriptions of their own', () => {
  const { clients } = telemetry(1_000)
  const [first, second] = [1, 2].map(number => clients.subscribe(idOf(number), attributes).subscriptionId)
  assert.notEqual(first, second)
})
