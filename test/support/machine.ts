/** What outlives a process: the small files, the logs, the kernel's boot. */

export interface StoredBatch {
  readonly bytes: Uint8Array
  readonly baseOffset: number
  readonly lastOffset: number
  readonly maxTimestamp: number
}

export interface LogContent {
  batches: StoredBatch[]
  /** Base offsets of the segments, oldest first. */
  segments: number[]
  startOffset: number
  endOffset: number
  durableOffset: number
}

export class Machine {
  readonly files = new Map<string, Uint8Array>()
  readonly directories = new Set<string>(['/'])
  readonly logs = new Map<string, LogContent>()
  /** Locks end with the process that took them. */
  locks = new Set<string>()
  boot = 1

  /** What is left after kill -9: the page cache, and no lock. */
  killProcess(): void {
    this.locks = new Set()
  }

  /** What is left after a power loss: only what was made durable. */
  losePower(): void {
    this.killProcess()
    this.boot++
    for (const log of this.logs.values()) {
      log.batches = log.batches.filter(batch => batch.lastOffset < log.durableOffset)
      log.endOffset = Math.min(log.endOffset, Math.max(log.durableOffset, log.startOffset))
      log.segments = log.segments.filter((base, index) => index === 0 || base <= log.endOffset)
    }
  }

  removeTree(path: string): void {
    for (const paths of [this.files, this.logs, this.directories])
      for (const each of [...paths.keys()]) if (isWithin(each, path)) paths.delete(each)
  }

  moveTree(from: string, to: string): void {
    const moved = (path: string) => to + path.slice(from.length)
    for (const map of [this.files, this.logs] as Map<string, unknown>[])
      for (const [path, content] of [...map])
        if (isWithin(path, from)) {
          map.delete(path)
          map.set(moved(path), content)
        }
    for (const path of [...this.directories])
      if (isWithin(path, from)) {
        this.directories.delete(path)
        this.directories.add(moved(path))
      }
  }

  makeDirectory(path: string): void {
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) this.directories.add(path.slice(0, end))
  }

  exists(path: string): boolean {
    return this.files.has(path) || this.directories.has(path)
  }

  list(path: string): string[] {
    const names = new Set<string>()
    for (const each of [...this.files.keys(), ...this.directories])
      if (each !== path && isWithin(each, path)) names.add(each.slice(path.length + 1).split('/')[0]!)
    for (const base of this.logs.get(path)?.segments ?? []) names.add(`${String(base).padStart(20, '0')}.log`)
    return [...names].sort()
  }
}

const isWithin = (path: string, root: string): boolean => path === root || path.startsWith(`${root}/`)
