import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { endedWithin } from './process.ts'
import { ProcessLog } from './process-log.ts'
import { formatKafka, startKafka } from './reference-kafka.ts'

/** What one start of the broker said of the logs it opened: `scannedBytes` is 0 after a clean stop. */
export interface LogsOpened {
  readonly logs: number
  readonly recovered: number
  readonly scannedBytes: number
}

/** A broker process that serves: how it was started is the launcher's business. */
export interface Started {
  readonly child: ChildProcess
  readonly host: string
  readonly port: number
  readonly log: ProcessLog
}

type BrokerConfig = Readonly<Record<string, string>>

/** The build of this clone, or another one that is to be held against the suites. */
const millraceBin =
  process.env.MILLRACE_COMPAT_BIN ?? fileURLToPath(new URL('../../../dist/millrace.js', import.meta.url))
const startLimitMs = 60_000
const stopLimitMs = 30_000
const readyLine = /\bready in (\d+(?:\.\d+)?) ms on (\S+):(\d+)/

const startMillrace = async (dataDir: string, port: number, config: BrokerConfig): Promise<Started> => {
  const listen = `127.0.0.1:${port}`
  const settings = Object.entries(config).flatMap(([name, value]) => ['-X', `${name}=${value}`])
  const args = [millraceBin, 'serve', '--data-dir', dataDir, '--listen', listen, ...settings]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const log = new ProcessLog(child.stdout, child.stderr)
  const died = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the broker ended with ${code ?? signal} before it was ready\n${log.tail}`)
  })
  try {
    const line = await Promise.race([log.until(line => readyLine.test(line), startLimitMs), died])
    const [, , host = '', boundPort] = readyLine.exec(line) ?? []
    return { child, log, host, port: Number(boundPort) }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    died.catch(() => undefined)
  }
}

/**
 * The broker that a suite talks to: Millrace on a fresh data directory, or, so that the suites themselves can be
 * checked, Apache Kafka (`MILLRACE_COMPAT_BROKER=kafka`) or whatever listens on `MILLRACE_COMPAT_BOOTSTRAP`.
 */
export class BrokerUnderTest {
  private started: Started | undefined

  private constructor(
    readonly kind: 'millrace' | 'kafka' | 'attached',
    readonly host: string,
    readonly port: number,
    /** Undefined for a broker that was started elsewhere: what needs its files or its process is skipped. */
    readonly dataDir: string | undefined,
    private readonly config: BrokerConfig,
  ) {}

  static async start(config: BrokerConfig = {}): Promise<BrokerUnderTest> {
    const attached = process.env.MILLRACE_COMPAT_BOOTSTRAP
    if (attached !== undefined) {
      const [host = '127.0.0.1', port = '9092'] = attached.split(':')
      return new BrokerUnderTest('attached', host, Number(port), undefined, config)
    }
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-compat-'))
    if (process.env.MILLRACE_COMPAT_BROKER === 'kafka') {
      const port = await formatKafka(dataDir, config)
      const broker = new BrokerUnderTest('kafka', '127.0.0.1', port, dataDir, config)
      broker.started = await startKafka(dataDir)
      return broker
    }
    const started = await startMillrace(dataDir, 0, config)
    const broker = new BrokerUnderTest('millrace', started.host, started.port, dataDir, config)
    broker.started = started
    return broker
  }

  get bootstrap(): string {
    return `${this.host}:${this.port}`
  }

  get restartable(): boolean {
    return this.dataDir !== undefined
  }

  get pid(): number | undefined {
    return this.started?.child.pid
  }

  /** The running process's log; a broker that was started elsewhere has none. */
  get log(): ProcessLog | undefined {
    return this.started?.log
  }

  /** What the running process said of the logs that it opened; undefined where the broker is not ours. */
  async logsOpened(): Promise<LogsOpened | undefined> {
    if (this.kind !== 'millrace' || this.started === undefined) return undefined
    // It may come after the ready line: the log's library is loaded then.
    const line = await this.started.log.until(line => line.includes('"logs opened"'), startLimitMs)
    return JSON.parse(line) as LogsOpened
  }

  /** A clean stop. Fails if the process does not end by itself, or reports an error. */
  async stop(): Promise<void> {
    const started = this.take()
    if (started === undefined) return
    started.child.kill('SIGTERM')
    const outcome = await endedWithin(started.child, stopLimitMs)
    // A JVM that is told to end reports 128 + SIGTERM.
    if (outcome !== 0 && !(this.kind === 'kafka' && outcome === 143)) {
      throw new Error(`the broker's clean stop ended with ${outcome}\n${started.log.tail}`)
    }
  }

  async kill9(): Promise<void> {
    const started = this.take()
    if (started === undefined) return
    started.child.kill('SIGKILL')
    await endedWithin(started.child, stopLimitMs)
  }

  /** Starts the broker again on the same directory and port, with other settings where some are given. */
  async startAgain(config = this.config): Promise<void> {
    if (this.dataDir === undefined) throw new Error('an attached broker cannot be restarted')
    if (this.started !== undefined) throw new Error('the broker still runs')
    this.started =
      this.kind === 'kafka' ? await startKafka(this.dataDir) : await startMillrace(this.dataDir, this.port, config)
  }

  /** Ends the process, however it fares, and removes its files. */
  async destroy(): Promise<void> {
    await this.kill9()
    if (this.dataDir !== undefined) await rm(this.dataDir, { recursive: true, force: true })
  }

  private take(): Started | undefined {
    const started = this.started
    this.started = undefined
    return started
  }
}
