import { fileURLToPath } from 'node:url'
import { DriverProcess } from './driver.ts'
import { installJava } from './install.ts'

const heapMb = 256
const program = fileURLToPath(new URL('../java/ToolHost.java', import.meta.url))

/** The main classes behind the scripts of Kafka's bin/. */
const mains = {
  'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'kafka-verifiable-consumer': 'org.apache.kafka.tools.VerifiableConsumer',
  'kafka-consumer-perf-test': 'org.apache.kafka.tools.ConsumerPerformance',
  'kafka-groups': 'org.apache.kafka.tools.GroupsCommand',
  'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'kafka-log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
  'kafka-features': 'org.apache.kafka.tools.FeatureCommand',
  'kafka-metadata-quorum': 'org.apache.kafka.tools.MetadataQuorumCommand',
  'kafka-broker-api-versions': 'org.apache.kafka.tools.BrokerApiVersionsCommand',
  'kafka-cluster': 'org.apache.kafka.tools.ClusterTool',
  'kafka-reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  'kafka-leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
  'kafka-transactions': 'org.apache.kafka.tools.TransactionsCommand',
  'kafka-client-metrics': 'org.apache.kafka.tools.ClientMetricsCommand',
  'kafka-acls': 'org.apache.kafka.tools.AclCommand',
  'kafka-delegation-tokens': 'org.apache.kafka.tools.DelegationTokenCommand',
} as const

/** It takes its server behind what it is to do. */
const serverLast = 'kafka-cluster'

export interface ToolOutput {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Kafka's command line tools, one after the other in one JVM: starting one for each would take most of the time. */
export class ToolHost {
  private constructor(
    private readonly driver: DriverProcess,
    private readonly bootstrap: string,
  ) {}

  static async start(bootstrap: string): Promise<ToolHost> {
    const java = await installJava('tools', heapMb)
    const quick = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
    return new ToolHost(new DriverProcess('tools', 'java', [...quick, ...java, program]), bootstrap)
  }

  run(tool: keyof typeof mains, ...args: string[]): Promise<ToolOutput> {
    const server = ['--bootstrap-server', this.bootstrap]
    const all = tool === serverLast ? [...args, ...server] : [...server, ...args]
    return this.driver.call<ToolOutput>('run', { main: mains[tool], args: all })
  }

  /** The lines of a table by the names over its columns. */
  async table(tool: keyof typeof mains, ...args: string[]): Promise<Record<string, string>[]> {
    const { stdout, stderr } = await this.run(tool, ...args)
    const lines = stdout.split('\n').filter(line => line.trim() !== '')
    const start = lines.findIndex(line => line.startsWith('GROUP'))
    if (start < 0) throw new Error(`${tool} ${args.join(' ')} printed no table\n${stdout}\n${stderr}`)
    // Names of two words have one space between them; columns are further apart, or hold one word each.
    const head = [...(lines[start] ?? '').matchAll(/\S+/g)]
    const names = head.map(([name]) => name)
    return lines
      .slice(start + 1)
      .filter(line => !line.startsWith('GROUP'))
      .map(line => {
        const cells = line.trim().split(/\s+/)
        return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']))
      })
  }

  end(): Promise<void> {
    return this.driver.end()
  }
}
