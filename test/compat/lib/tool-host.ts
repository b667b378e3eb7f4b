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
} as const

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
    const all = ['--bootstrap-server', this.bootstrap, ...args]
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
