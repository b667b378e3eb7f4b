import kafkajs from 'kafkajs'
import { BrokerUnderTest } from '/work/main/test/compat/lib/broker.ts'
import { here, installJava } from '/work/main/test/compat/lib/install.ts'
import { run } from '/work/main/test/compat/lib/process.ts'
import { shortSessions } from '/work/main/test/compat/lib/short-sessions.ts'

const broker = await BrokerUnderTest.start(shortSessions)
const kafka = new kafkajs.Kafka({ clientId: 'd', brokers: [broker.bootstrap], logLevel: 0 })
const java = await installJava('tools', 128)
const file = process.env.JFILE ?? here('delivery/Delivery.java')
for (let i = 0; i < 3; i++) {
  const topic = `t${i}`
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
  await admin.disconnect()
  const p = kafka.producer()
  await p.connect()
  await p.send({ topic, messages: ['a', 'b', 'c', 'd'].map(value => ({ value })) })
  await p.disconnect()
  const { stdout } = await run('java', [...java, file, broker.bootstrap, 'consumer', `g${i}`, topic, '3'], {
    timeoutMs: 60000,
  })
  console.log(stdout)
}
await broker.destroy()
