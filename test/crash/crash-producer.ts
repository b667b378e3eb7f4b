import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { installPython } from '../compat/lib/install.ts'
import { endedWithin } from '../compat/lib/process.ts'

const script = fileURLToPath(new URL('producer.py', import.meta.url))
const endLimitMs = 120_000

export interface Acknowledged {
  readonly sequence: number
  readonly partition: number
  readonly offset: number
}

/** One idempotent producer in a process of its own, and what the broker acknowledged to it so far. */
export class CrashProducer {
  readonly acknowledged: Acknowledged[] = []
  /** Records that the client gave up on, with its reason. */
  readonly lost: string[] = []
  private sent: number | undefined
  private readonly progress = new EventEmitter()

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(bootstrap: string, topic: string, name: string, partitions: number): Promise<CrashProducer> {
    const args = [script, bootstrap, topic, name, String(partitions)]
    const child = spawn(await installPython(), args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const producer = new CrashProducer(name, child)
    createInterface({ input: child.stdout }).on('line', line => producer.take(line))
    child.once('exit', () => producer.progress.emit('line'))
    return producer
  }

  /** Resolves once `count` records are acknowledged; fails if the producer ends first. */
  async acknowledgedAtLeast(count: number): Promise<void> {
    while (this.acknowledged.length < count) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`producer ${this.name} ended after ${this.acknowledged.length} records`)
      }
      await once(this.progress, 'line')
    }
  }

  /** Sends no more, waits for every acknowledgement, and returns the number of records sent. */
  async finish(): Promise<number> {
    this.child.stdin?.write('stop\n')
    const outcome = await endedWithin(this.child, endLimitMs)
    if (this.sent === undefined) throw new Error(`producer ${this.name} ended with ${outcome}, not by itself`)
    return this.sent
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  private take(line: string): void {
    const [what, first, second, third] = line.split(' ')
    if (what === 'ack') {
      this.acknowledged.push({ sequence: Number(first), partition: Number(second), offset: Number(third) })
    } else if (what === 'lost') this.lost.push(line)
    else if (what === 'done') this.sent = Number(first)
    this.progress.emit('line')
  }
}
