/** Every client that the suites try, in the order of the page that they write. */
import { after } from 'node:test'
import type { BrokerUnderTest } from './broker.ts'
import { type Driver, DriverProcess } from './driver.ts'
import { installKcat } from './install.ts'
import {
  type DriverCommand,
  installConfluentJavascriptDriver,
  installGoDriver,
  installJavaDriver,
  installNodeDriver,
  installPlatformaticDriver,
  installPythonDriver,
  newestJava,
} from './install-clients.ts'
import { KcatDriver } from './kcat-driver.ts'

/** What a client cannot say or does not tell apart, whatever the broker. */
export interface Limits {
  /** It writes no header without a value. */
  readonly noNullHeaders?: true
  /** It writes no name of a header twice. */
  readonly noRepeatedHeaders?: true
  /** It reads a header without a value as an empty one. */
  readonly readsNullHeadersAsEmpty?: true
  /** It shows a header's value up to its first zero byte. */
  readonly readsHeadersAsText?: true
  /** It refuses a record of neither key nor value. */
  readonly needsKeyOrValue?: true
  /** It writes empty bytes as null, in headers too. */
  readonly noEmptyBytes?: true
  /** It writes lines of text with the same headers and its own time. */
  readonly textOnly?: true
  readonly notIdempotent?: true
  /** It sends with an alteration all that was set before. */
  readonly keepsOtherConfigs?: true
  /** Its error for a wrong config does not tell Kafka's code. */
  readonly losesCodes?: true
  /** It reads as a member of a group only. */
  readonly groupsOnly?: true
}

export interface ClientKind {
  /** Unique, and part of topics' names. */
  readonly id: string
  readonly name: string
  readonly limits: Limits
  install(): Promise<DriverCommand | 'kcat'>
}

export interface RunningClient {
  readonly kind: ClientKind
  readonly driver: Driver
  readonly version: string
  readonly ops: ReadonlySet<string>
}

const kind = (
  id: string,
  name: string,
  install: () => Promise<DriverCommand | 'kcat'>,
  limits: Limits = {},
): ClientKind => ({ id, name, limits, install })

const until39 = ['AdminSince28', 'AdminUntil39']
const aiokafka = { needsKeyOrValue: true } as const
const kafkaPython = { noNullHeaders: true, needsKeyOrValue: true } as const
const kafkajs = { noNullHeaders: true, groupsOnly: true } as const
const confluentJavascript = { noNullHeaders: true, readsNullHeadersAsEmpty: true, noEmptyBytes: true } as const

/** The first is also the witness that the suites hold the others against. */
export const clientKinds: readonly ClientKind[] = [
  kind('java-4.4', 'Java kafka-clients', () => installJavaDriver(...newestJava)),
  kind('java-3.9', 'Java kafka-clients', () => installJavaDriver('3.9.1', until39)),
  kind('java-2.8', 'Java kafka-clients', () => installJavaDriver('2.8.2', until39)),
  kind('java-2.1', 'Java kafka-clients', () => installJavaDriver('2.1.1', ['AdminUntil39'])),
  kind('franz-go', 'franz-go', () => installGoDriver('franz', 'go.mod')),
  kind('franz-go-old', 'franz-go', () => installGoDriver('franz', 'go.old.mod')),
  kind('sarama', 'sarama', () => installGoDriver('sarama', 'go.mod')),
  kind('sarama-old', 'sarama', () => installGoDriver('sarama', 'go.old.mod'), { losesCodes: true }),
  kind('kafkajs', 'kafkajs', () => installNodeDriver('kafkajs'), kafkajs),
  kind('kafkajs-old', 'kafkajs', () => installNodeDriver('kafkajs', 'kafkajs-old'), {
    ...kafkajs,
    noRepeatedHeaders: true,
  }),
  kind('platformatic', '@platformatic/kafka', installPlatformaticDriver),
  kind('confluent-js', '@confluentinc/kafka-javascript', installConfluentJavascriptDriver, confluentJavascript),
  kind('confluent-python', 'confluent-kafka (Python)', () => installPythonDriver('confluent_driver', 'requirements')),
  kind('confluent-python-old', 'confluent-kafka (Python)', () =>
    installPythonDriver('confluent_driver', 'requirements.old'),
  ),
  kind('aiokafka', 'aiokafka', () => installPythonDriver('aiokafka_driver', 'requirements'), aiokafka),
  kind('aiokafka-old', 'aiokafka', () => installPythonDriver('aiokafka_driver', 'requirements.old'), aiokafka),
  kind('kafka-python', 'kafka-python', () => installPythonDriver('kafka_python_driver', 'requirements'), {
    ...kafkaPython,
    keepsOtherConfigs: true,
  }),
  kind('kafka-python-old', 'kafka-python', () => installPythonDriver('kafka_python_driver', 'requirements.old'), {
    ...kafkaPython,
    notIdempotent: true,
  }),
  kind('kcat', 'kcat', () => installKcat().then(() => 'kcat' as const), {
    textOnly: true,
    noNullHeaders: true,
    readsHeadersAsText: true,
  }),
]

export const startClient = async (kind: ClientKind, broker: BrokerUnderTest): Promise<RunningClient> => {
  const installed = await kind.install()
  const driver =
    installed === 'kcat'
      ? new KcatDriver('kcat', broker.bootstrap)
      : new DriverProcess(kind.id, installed.command, [
          ...installed.args,
          broker.bootstrap,
          ...(installed.installation === undefined ? [] : [installed.installation]),
        ])
  const { version, ops } = await driver.call<{ version: string; ops: string[] }>('hello')
  return { kind, driver, version, ops: new Set(ops) }
}

/** All of them. Where one does not start, the suite ends, and the broker and the others with it. */
export const startClients = async (broker: BrokerUnderTest): Promise<RunningClient[]> => {
  const clients: RunningClient[] = []
  try {
    for (const kind of chosenKinds()) clients.push(await startClient(kind, broker))
    return clients
  } catch (error) {
    await endClients(clients)
    await broker.destroy()
    throw error
  }
}

/** MILLRACE_COMPAT_CLIENTS=ID,ID tries these and the witness, for a look at one client. */
function chosenKinds(): readonly ClientKind[] {
  const names = process.env.MILLRACE_COMPAT_CLIENTS?.split(',')
  if (names === undefined) return clientKinds
  return clientKinds.filter(({ id }, index) => index === 0 || names.includes(id))
}

const endClients = async (clients: readonly RunningClient[]): Promise<void> => {
  await Promise.all(clients.map(({ driver }) => driver.end()))
}

export const endAfterTests = (
  broker: BrokerUnderTest,
  clients: readonly RunningClient[],
  finish: () => Promise<void>,
): void => {
  after(async () => {
    await finish()
    await endClients(clients)
    await broker.destroy()
  })
}
