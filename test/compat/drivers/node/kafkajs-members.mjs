// Members of groups of kafkajs, told and heard by the lines of drivers/README.md.
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { bootstrap, require } from './wire.mjs'

const { Kafka, logLevel } = require('kafkajs')

/** Written at once, so that a line is out, or not begun, when the process is killed. */
const emit = (event, member, fields = {}) =>
  writeSync(1, `${JSON.stringify({ event, member, at: Date.now(), ...fields })}\n`)

const start = async ({ member, group, topic, sessionTimeoutMs }) => {
  const kafka = new Kafka({
    clientId: member,
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 60 },
  })
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: 500,
    maxWaitTimeInMs: 500,
  })
  let owned = []
  let leaving = false
  // Counts assignments: a batch belongs to the one that it was begun in.
  let assignments = 0
  // Stopping does not call off a restart that a crash has planned: who leaves waits for it.
  let restarted = Promise.resolve()
  let joinedAgain = () => undefined
  const giveUp = event => {
    if (owned.length === 0) return
    emit(event, member, { partitions: owned })
    owned = []
  }
  consumer.on(consumer.events.REBALANCING, () => giveUp('revoked'))
  consumer.on(consumer.events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
    joinedAgain()
    giveUp('lost')
    owned = Object.entries(memberAssignment).flatMap(([name, partitions]) => partitions.map(p => `${name}/${p}`))
    owned.sort()
    assignments++
    emit('assigned', member, { partitions: owned })
    // A join that was on its way when the member was stopped.
    if (leaving) giveUp('revoked')
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    giveUp('lost')
    if (payload.restart) {
      restarted = new Promise(resolve => {
        joinedAgain = resolve
      })
    }
    emit(payload.restart ? 'warned' : 'failed', member, { message: String(payload.error) })
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      const partition = `${batch.topic}/${batch.partition}`
      const begunIn = assignments
      for (let at = 0; at < batch.messages.length; at += 20) {
        // What was fetched for an assignment that is gone belongs to another member.
        if (!isRunning() || isStale() || begunIn !== assignments || !owned.includes(partition)) return
        const part = batch.messages.slice(at, at + 20)
        emit('processed', member, { partition, records: part.map(one => [Number(one.offset), String(one.value)]) })
        const next = Number(part.at(-1).offset) + 1
        await consumer.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset: String(next) }]).then(
          () => emit('committed', member, { offsets: { [partition]: next } }),
          error => emit('refused', member, { message: String(error) }),
        )
        resolveOffset(part.at(-1).offset)
        await heartbeat()
      }
    },
  })
  return async () => {
    await restarted
    // Before it stops: who takes over may be told of that before this member is.
    leaving = true
    giveUp('revoked')
    await consumer.stop()
    await consumer.disconnect()
    emit('left', member)
  }
}

const members = new Map()
emit('ready', '')
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  const { op, member } = command
  const failed = error => emit('failed', member, { message: String(error) })
  if (op === 'join') members.set(member, start(command))
  else members.get(member).then(leave => leave())
  members.get(member).catch(failed)
}
process.exit(0)
