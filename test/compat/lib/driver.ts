import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { ended, endedWithin } from './process.ts'

/** What a client answered instead of a result. `code` is Kafka's error code, or 0 where the client names none. */
export class ClientError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message)
  }
}

/** A client behind the line protocol of drivers/README.md, wherever it runs. */
export interface Driver {
  call<T>(op: string, args?: object): Promise<T>
  end(): Promise<void>
}

type Answer = { readonly result: unknown } | { readonly error: { readonly code: number; readonly message: string } }

const callLimitMs = 90_000
const endLimitMs = 30_000

/** A driver program: one command a line, one answer a line, in the same order. */
export class DriverProcess implements Driver {
  private readonly waiting: ((answer: Answer) => void)[] = []
  private readonly child: ChildProcess

  constructor(
    private readonly name: string,
    command: string,
    args: readonly string[],
  ) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream })
    lines.on('line', line => this.waiting.shift()?.(JSON.parse(line)))
    this.child.on('error', error => this.fail(String(error)))
    this.child.on('exit', (code, signal) => this.fail(`the driver ended with ${code ?? signal}`))
    // A command that a dead driver cannot take is answered by its exit.
    this.child.stdin?.on('error', () => undefined)
  }

  async call<T>(op: string, args: object = {}, limitMs = callLimitMs): Promise<T> {
    const answer = await new Promise<Answer>(resolve => {
      const timer = setTimeout(() => {
        this.child.kill('SIGKILL')
        this.fail(`${this.name} did not answer ${op} within ${limitMs} ms`)
      }, limitMs)
      this.waiting.push(answer => {
        clearTimeout(timer)
        resolve(answer)
      })
      if (this.child.exitCode !== null || this.child.signalCode !== null) this.fail('the driver has ended')
      else this.child.stdin?.write(`${JSON.stringify({ op, args })}\n`)
    })
    if ('error' in answer) throw new ClientError(answer.error.code, `${this.name}, ${op}: ${answer.error.message}`)
    return answer.result as T
  }

  async end(): Promise<void> {
    this.child.stdin?.end()
    await endedWithin(this.child, endLimitMs)
  }

  async kill9(): Promise<void> {
    this.child.kill('SIGKILL')
    await ended(this.child)
  }

  private fail(message: string): void {
    for (const settle of this.waiting.splice(0)) settle({ error: { code: 0, message } })
  }
}
