/** The clients whose members the groups suite looks at, and the ways in which each of them takes part in a group. */
import { type ClientKind, clientKinds } from './clients.ts'
import {
  type DriverCommand,
  installGoDriver,
  installJavaDriver,
  installNodeDriver,
  installPythonDriver,
  newestJava,
} from './install-clients.ts'

export interface GroupWay {
  readonly protocol: 'classic' | 'consumer'
  readonly assignor: string
  /** Subscribes to a regular expression, which a second topic matches later. */
  readonly regex?: true
  /** Each member has a `group.instance.id`, and comes back within its session. */
  readonly static?: true
  /** How long a member may go without polling; the client's default where there is none. Java's only. */
  readonly maxPollIntervalMs?: number
}

export interface GroupClient {
  readonly kind: ClientKind
  readonly ways: readonly GroupWay[]
  installMembers(): Promise<DriverCommand>
}

export const nameOf = ({ protocol, assignor, regex, static: withIds }: GroupWay): string =>
  [protocol, assignor, ...(regex ? ['regex'] : []), ...(withIds ? ['static'] : [])].join(' ')

const classic = (assignor: string): GroupWay => ({ protocol: 'classic', assignor })
const consumer = (assignor: string): GroupWay => ({ protocol: 'consumer', assignor })

const client = (id: string, installMembers: () => Promise<DriverCommand>, ways: readonly GroupWay[]): GroupClient => {
  const kind = clientKinds.find(known => known.id === id)
  if (kind === undefined) throw new Error(`no client is called ${id}`)
  return { kind, installMembers, ways }
}

const installPythonMembers =
  (members: string, requirements = 'requirements') =>
  () =>
    installPythonDriver(`${members}_members`, requirements)

export const groupClients: readonly GroupClient[] = [
  client('java-4.4', () => installJavaDriver(...newestJava, 'Members'), [
    classic('range'),
    classic('roundrobin'),
    classic('sticky'),
    classic('cooperative-sticky'),
    { ...classic('range'), static: true },
    consumer('uniform'),
    consumer('range'),
    { ...consumer('uniform'), regex: true },
    { ...consumer('uniform'), static: true },
  ]),
  client('franz-go', () => installGoDriver('franz-members', 'go.mod'), [
    classic('range'),
    classic('roundrobin'),
    classic('sticky'),
    classic('cooperative-sticky'),
    { ...classic('cooperative-sticky'), static: true },
    consumer('uniform'),
    { ...consumer('range'), regex: true },
  ]),
  client('sarama', () => installGoDriver('sarama-members', 'go.mod'), [
    classic('range'),
    classic('roundrobin'),
    classic('sticky'),
  ]),
  client('kafkajs', () => installNodeDriver('kafkajs-members', 'kafkajs'), [classic('roundrobin')]),
  client('confluent-python', installPythonMembers('confluent'), [
    classic('range'),
    classic('roundrobin'),
    classic('cooperative-sticky'),
    consumer('uniform'),
    { ...consumer('range'), regex: true },
  ]),
  client('confluent-python-old', installPythonMembers('confluent', 'requirements.old'), [
    classic('range'),
    classic('cooperative-sticky'),
  ]),
  client('aiokafka', installPythonMembers('aiokafka'), [classic('range'), classic('roundrobin'), classic('sticky')]),
  // A member of 3.0 may stop in the middle of a join, with Kafka as well: README.md.
  client('kafka-python-old', installPythonMembers('kafka_python', 'requirements.old'), [classic('range')]),
]
