import type { RepairFiles } from './files.ts'
import type { Checksum } from './segment-reader.ts'

/** Where a command writes. A promise resolves when there is room for more. */
export interface Output {
  write(text: string): Promise<void>
}

/** What the commands need of the world. */
export interface ToolEnvironment {
  readonly files: RepairFiles
  readonly checksum: Checksum
  readonly out: Output
  readonly errors: Output
  /** Shows `line` in the place of the last one on a terminal; undefined where nobody would see it. An empty one clears it. */
  readonly progressLine: ((line: string) => void) | undefined
  /** Wall clock, and one that never goes back. */
  wallMs(): number
  monotonicMs(): number
  /** The directory as an absolute path without links; throws when it is not there. */
  resolve(directory: string): string
}

export const exitCode = { ok: 0, found: 1, wrongUsage: 2 } as const

const outputBytes = 64 << 10

/** Lines on their way to an output, handed on in large pieces. */
export class Lines {
  private readonly output: Output
  private pending = ''

  constructor(output: Output) {
    this.output = output
  }

  /** Takes a line; the promise, if there is one, is to be awaited before many more. */
  line(text: string): Promise<void> | undefined {
    this.pending += `${text}\n`
    return this.pending.length < outputBytes ? undefined : this.flush()
  }

  async flush(): Promise<void> {
    if (this.pending === '') return
    const text = this.pending
    this.pending = ''
    await this.output.write(text)
  }
}

/** As one line of JSON: bigints as numbers where they fit, else as text. */
export function json(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'bigint' ? (Number.isSafeInteger(Number(each)) ? Number(each) : each.toString()) : each,
  )
}
