import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { atEnd } from './clean-up.ts'

/** The order of `enum call` in faults.c. */
const calls = ['open', 'read', 'write', 'fsync', 'fallocate', 'ftruncate', 'rename', 'sendfile', 'mmap'] as const
export type FaultyCall = (typeof calls)[number]

export interface Fault {
  readonly calls: readonly FaultyCall[]
  /** Part of the file's path. */
  readonly path: string
  /** An errno; 0 transfers half of what was asked for. */
  readonly error: number
  /** So many calls; without, all of them. */
  readonly times?: number
}

/** `struct rule` of faults.c, little-endian. */
const rule = { bytes: 128, on: 0, calls: 4, error: 8, left: 12, hits: 16, path: 20, pathBytes: 107, count: 16 } as const

/** Why faults cannot be made here, for `skip`; false where they can. */
export const withoutCompiler = hasCompiler() ? false : 'there is no C compiler'

function hasCompiler(): boolean {
  try {
    execFileSync(process.env.CC ?? 'cc', ['--version'], { stdio: 'ignore' })
    return process.platform === 'linux'
  } catch {
    return false
  }
}

/** Makes system calls of one process fail, while it runs. See faults.c. */
export class Faults {
  private readonly file: string
  private readonly library: string
  private used = 0

  private constructor(file: string, library: string) {
    this.file = file
    this.library = library
  }

  static prepare(t: TestContext): Faults {
    const home = mkdtempSync(join(tmpdir(), 'millrace-faults-'))
    atEnd(t, () => rmSync(home, { recursive: true, force: true }))
    const library = join(home, 'faults.so')
    const source = fileURLToPath(new URL('faults.c', import.meta.url))
    const compiler = process.env.CC ?? 'cc'
    execFileSync(compiler, ['-shared', '-fPIC', '-O1', '-w', '-o', library, source, '-ldl'], { timeout: 60_000 })
    const file = join(home, 'rules')
    writeFileSync(file, new Uint8Array(rule.bytes * rule.count))
    return new Faults(file, library)
  }

  /** For the process that is to have them. */
  get env(): NodeJS.ProcessEnv {
    return { LD_PRELOAD: this.library, MILLRACE_FAULTS: this.file }
  }

  /** From now on; of several that fit a call the first one counts. */
  inject(fault: Fault): { readonly hits: () => number; readonly end: () => void } {
    const at = this.used++ * rule.bytes
    if (this.used > rule.count) throw new Error('there are no more rules')
    const bytes = new Uint8Array(rule.bytes)
    const view = new DataView(bytes.buffer)
    const bits = fault.calls.reduce((all, call) => all | (1 << calls.indexOf(call)), 0)
    view.setUint32(rule.calls, bits, true)
    view.setInt32(rule.error, fault.error, true)
    view.setInt32(rule.left, fault.times ?? -1, true)
    if (fault.path.length > rule.pathBytes) throw new Error(`${fault.path} is too long for a rule`)
    new TextEncoder().encodeInto(fault.path, bytes.subarray(rule.path))
    this.write(at, bytes)
    this.write(at, Uint8Array.of(1))
    const hits = () => readFileSync(this.file).readUInt32LE(at + rule.hits)
    return { hits, end: () => this.write(at, Uint8Array.of(0)) }
  }

  private write(at: number, bytes: Uint8Array): void {
    const file = openSync(this.file, 'r+')
    writeSync(file, bytes, 0, bytes.length, at)
    closeSync(file)
  }
}
