/**
 * Every client's administration: each call that a client has, looked at through the newest Java client, so that what a
 * client tells itself does not count.
 */
import { adminCalls } from './lib/admin-calls.ts'
import { BrokerUnderTest } from './lib/broker.ts'
import { endAfterTests, type RunningClient, startClients } from './lib/clients.ts'
import { Report } from './lib/report.ts'

const timeoutMs = 60_000

const broker = await BrokerUnderTest.start()
const clients = await startClients(broker)
endAfterTests(broker, clients, () => report.write())
const witness = (clients[0] as RunningClient).driver
const report = new Report('admin')

for (const client of clients) {
  for (const [index, { call, title, run }] of adminCalls.entries()) {
    if (!client.ops.has(call)) continue
    const topic = `${client.kind.id}-${index}`
    report.tried(client, `admin ${call} ${title}`, `${call}: ${title}`, timeoutMs, () =>
      run({ driver: client.driver, witness, topic, broker, limits: client.kind.limits }),
    )
  }
}
