import { checked, simAddon } from './sim-addon.ts'

/** What the power takes: `kill` ends the process alone, and the page cache stays. */
export type CrashMode = 'kill' | 'power'

/** A machine with one disk; what a crash leaves of it is another one. Drop each when it is done with. */
export class SimMachine {
  readonly disk: number
  readonly boot: number
  /** Advisory locks end with the process. */
  readonly locks = new Set<string>()

  private constructor(disk: number, boot: number) {
    this.disk = disk
    this.boot = boot
  }

  static empty(seed: number): SimMachine {
    return new SimMachine(simAddon.createDisk(seed), 1)
  }

  after(mode: CrashMode, seed: number): SimMachine {
    return mode === 'kill'
      ? new SimMachine(simAddon.killProcess(this.disk, seed), this.boot)
      : new SimMachine(simAddon.losePower(this.disk, seed), this.boot + 1)
  }

  crashAfter(n: number): void {
    simAddon.crashAfter(this.disk, n)
  }

  failCall(n: number, errno: number): void {
    simAddon.failCall(this.disk, n, errno)
  }

  get crashed(): boolean {
    return simAddon.hasCrashed(this.disk)
  }

  get callCount(): number {
    return simAddon.callCount(this.disk)
  }

  /** Every call so far, one line each. */
  get calls(): string[] {
    return simAddon.calls(this.disk)
  }

  list(path: string): string[] {
    return checked('scandir', path, simAddon.listDirectory(this.disk, path)) as string[]
  }

  drop(): void {
    simAddon.dropDisk(this.disk)
  }
}
