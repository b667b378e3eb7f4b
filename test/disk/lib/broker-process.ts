import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { endedWithin } from '../../compat/lib/process.ts'
import { ProcessLog } from '../../compat/lib/process-log.ts'
import { RawClient } from '../../integration/raw-client.ts'
import { atEnd } from './clean-up.ts'

const bin = process.env.MILLRACE_COMPAT_BIN ?? fileURLToPath(new URL('../../../dist/millrace.js', import.meta.url))
const startLimitMs = 30_000
const stopLimitMs = 30_000
const saysLimitMs = 15_000
const readyLine = /\bready in [\d.]+ ms on (\S+):(\d+)/

export interface BrokerOptions {
  readonly config?: Readonly<Record<string, string>>
  readonly env?: NodeJS.ProcessEnv
  /** Soft and hard limit of descriptors. */
  readonly descriptors?: number
}

/** A broker in a process of its own, on a directory that may misbehave. It is killed when its test ends. */
export class BrokerProcess {
  readonly host: string
  readonly port: number
  readonly log: ProcessLog
  private readonly child: ChildProcess

  private constructor(child: ChildProcess, log: ProcessLog, host: string, port: number) {
    this.child = child
    this.log = log
    this.host = host
    this.port = port
  }

  static async start(t: TestContext, dataDir: string, options: BrokerOptions = {}): Promise<BrokerProcess> {
    const { child, log } = BrokerProcess.spawn(t, dataDir, options)
    const died = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the broker ended with ${code ?? signal} before it was ready\n${log.tail}`)
    })
    died.catch(() => undefined)
    const line = await Promise.race([log.until(line => readyLine.test(line), startLimitMs), died])
    const [, host = '', port] = readyLine.exec(line) ?? []
    return new BrokerProcess(child, log, host, Number(port))
  }

  /** A start that has to fail: what it said, and its exit code. */
  static async refused(t: TestContext, dataDir: string, options: BrokerOptions = {}): Promise<string> {
    const { child, log } = BrokerProcess.spawn(t, dataDir, options)
    const outcome = await endedWithin(child, startLimitMs)
    assert.equal(outcome, 1, log.tail)
    return log.lines.join('\n')
  }

  private static spawn(t: TestContext, dataDir: string, { config = {}, env = {}, descriptors }: BrokerOptions) {
    const settings = Object.entries(config).flatMap(([name, value]) => ['-X', `${name}=${value}`])
    const args = [bin, 'serve', '--data-dir', dataDir, '--listen', '127.0.0.1:0', ...settings]
    const limited = descriptors === undefined ? [] : ['prlimit', `--nofile=${descriptors}:${descriptors}`]
    const [name = '', ...rest] = [...limited, process.execPath, ...args]
    const child = spawn(name, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    const log = new ProcessLog(child.stdout, child.stderr)
    atEnd(t, async () => {
      child.kill('SIGKILL')
      await endedWithin(child, stopLimitMs)
    })
    return { child, log }
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The messages of its log so far that hold `part`. */
  said(part: string): string[] {
    return this.log.lines.filter(line => line.includes(part))
  }

  /** Resolves once its log holds `part`. */
  async says(part: string): Promise<string> {
    return await this.log.until(line => line.includes(part), saysLimitMs)
  }

  connect(): Promise<RawClient> {
    return RawClient.open(this)
  }

  /** A clean stop; the exit code has to be 0. */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM')
    const outcome = await endedWithin(this.child, stopLimitMs)
    assert.equal(outcome, 0, `the broker's clean stop\n${this.log.tail}`)
  }

  /** A stop that cannot be clean, but ends. */
  async stopAsItCan(): Promise<number | NodeJS.Signals> {
    this.child.kill('SIGTERM')
    return await endedWithin(this.child, stopLimitMs)
  }

  async kill9(): Promise<void> {
    this.child.kill('SIGKILL')
    await endedWithin(this.child, stopLimitMs)
  }
}
