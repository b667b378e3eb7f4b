import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { GroupHistory, MemberEvent } from './group-history.ts'
import type { DriverCommand } from './install-clients.ts'
import { endedWithin } from './process.ts'

/** How one member takes part; drivers/README.md has the fields. */
export interface JoinArgs {
  readonly member: string
  readonly group: string
  readonly topic: string
  readonly regex?: string
  readonly protocol: 'classic' | 'consumer'
  readonly assignor: string
  readonly instanceId?: string
  readonly sessionTimeoutMs: number
  /** Of Java's members only. */
  readonly maxPollIntervalMs?: number
}

const startLimitMs = 60_000
const endLimitMs = 30_000

/** A process with members of many groups, one of each; what kills it kills them all. */
export class MemberHost {
  private readonly histories = new Map<string, GroupHistory>()

  private constructor(private readonly child: ChildProcess) {}

  /** Returns once the process reads commands. */
  static async start({ command, args, installation }: DriverCommand, bootstrap: string): Promise<MemberHost> {
    const all = [...args, bootstrap, ...(installation === undefined ? [] : [installation])]
    const child = spawn(command, all, { stdio: ['pipe', 'pipe', 'inherit'] })
    const host = new MemberHost(child)
    child.stdin.on('error', () => undefined)
    const lines = createInterface({ input: child.stdout })
    const ready = once(lines, 'line', { signal: AbortSignal.timeout(startLimitMs) })
    lines.on('line', line => {
      const event = JSON.parse(line) as MemberEvent
      host.histories.get(event.member)?.add(event)
    })
    await Promise.race([
      ready,
      once(child, 'exit').then(([code, signal]) => Promise.reject(new Error(`members ended with ${code ?? signal}`))),
    ])
    return host
  }

  join(args: JoinArgs, history: GroupHistory): void {
    this.histories.set(args.member, history)
    this.tell({ op: 'join', ...args })
  }

  leave(member: string): void {
    this.tell({ op: 'leave', member })
  }

  /** The member stops polling, and starts again: Java's only. */
  stall(member: string): void {
    this.tell({ op: 'stall', member })
  }

  resume(member: string): void {
    this.tell({ op: 'resume', member })
  }

  /** All that it had written by then is heard before this returns. */
  async kill9(): Promise<void> {
    const closed = new Promise(resolve => this.child.once('close', resolve))
    this.child.kill('SIGKILL')
    await closed
    const at = Date.now()
    for (const [member, history] of this.histories) history.killed(member, at)
  }

  async end(): Promise<void> {
    this.child.stdin?.end()
    await endedWithin(this.child, endLimitMs).catch(() => undefined)
  }

  private tell(command: object): void {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`)
  }
}
