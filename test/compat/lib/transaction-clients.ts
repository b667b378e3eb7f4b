/** The clients whose transactions are looked at, each in every way it has to run them. */
import { type ClientKind, clientKinds } from './clients.ts'
import { DriverProcess } from './driver.ts'
import {
  type DriverCommand,
  installGoDriver,
  installJavaDriver,
  installNodeDriver,
  installPythonDriver,
  newestJava,
} from './install-clients.ts'

export interface TransactionWay {
  readonly kind: ClientKind
  /** As KIP-890 counts: from 2 on a Produce adds its partitions, and each transaction has an epoch of its own. */
  readonly version: 1 | 2
  /** Of the groups that its loops consume in. */
  readonly protocol: 'classic' | 'consumer'
  /** It commits offsets of a group without being a member, too. */
  readonly sendsOffsets: boolean
  /** How many of its loops share a group. One, where only the transactional id keeps an old one from committing. */
  readonly loops: number
  /** It waits for ever, whatever its time limit, where its broker is killed while it commits offsets: with Kafka, too. */
  readonly hangsWithBroker?: true
  install(): Promise<DriverCommand>
}

type Rest = Omit<TransactionWay, 'kind' | 'install'>

const way = (id: string, install: () => Promise<DriverCommand>, rest: Rest): TransactionWay => {
  const kind = clientKinds.find(known => known.id === id)
  if (kind === undefined) throw new Error(`no client is called ${id}`)
  return { kind, install, ...rest }
}

const installFranz = (): Promise<DriverCommand> => installGoDriver('franz-transactions', 'go.mod')

/** The first is also the witness that the suites hold the others against. */
export const transactionWays: readonly TransactionWay[] = [
  way('java-4.4', () => installJavaDriver(...newestJava, 'Transactions'), {
    ...{ version: 2, protocol: 'consumer', sendsOffsets: true, loops: 2 },
  }),
  way('java-3.9', () => installJavaDriver('3.9.1', ['AdminUntil39', 'Transactions'], 'Transactions'), {
    ...{ version: 1, protocol: 'classic', sendsOffsets: true, loops: 2 },
  }),
  way('franz-go', installFranz, { version: 2, protocol: 'consumer', sendsOffsets: false, loops: 2 }),
  way('franz-go', () => installFranz().then(command => ({ ...command, installation: 'v1' })), {
    ...{ version: 1, protocol: 'classic', sendsOffsets: false, loops: 2 },
  }),
  way('confluent-python', () => installPythonDriver('confluent_transactions', 'requirements'), {
    ...{ version: 1, protocol: 'consumer', sendsOffsets: true, loops: 2, hangsWithBroker: true },
  }),
  way('kafkajs', () => installNodeDriver('kafkajs-transactions', 'kafkajs'), {
    ...{ version: 1, protocol: 'classic', sendsOffsets: true, loops: 1 },
  }),
]

/** Unique, and part of topics' and groups' names. */
export const idOf = ({ kind, version }: TransactionWay): string => `${kind.id}-v${version}`

/** By whom a driver is started; each start is another process. */
export class TransactionDriver {
  private constructor(
    readonly way: TransactionWay,
    private readonly command: DriverCommand,
    private readonly bootstrap: string,
  ) {}

  static async install(way: TransactionWay, bootstrap: string): Promise<TransactionDriver> {
    return new TransactionDriver(way, await way.install(), bootstrap)
  }

  start(): DriverProcess {
    const { command, args, installation } = this.command
    const more = installation === undefined ? [] : [installation]
    return new DriverProcess(idOf(this.way), command, [...args, this.bootstrap, ...more])
  }
}
