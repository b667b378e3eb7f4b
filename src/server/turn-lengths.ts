/** Lengths of the server's turns. While one lasts, nobody else is served: it is the delay that one client can cause another. */
export interface TurnStats {
  /** Since the start. */
  readonly count: number
  readonly maxMs: number
  /** Of the last 10 to 20 seconds. */
  readonly recentMaxMs: number
  /** An upper bound that is at most a fifth too high. */
  readonly recentP99Ms: number
}

const windowMs = 10_000
/** Four buckets each time the length doubles, from 1 µs to 17 s. */
const perDoubling = 4
const buckets = 24 * perDoubling

class Window {
  readonly counts = new Uint32Array(buckets)
  count = 0
  maxMs = 0

  note(lengthMs: number): void {
    const bucket = Math.ceil(Math.log2(lengthMs * 1000) * perDoubling)
    this.counts[Math.min(Math.max(bucket, 0), buckets - 1)]!++
    this.count++
    if (lengthMs > this.maxMs) this.maxMs = lengthMs
  }

  clear(): void {
    this.counts.fill(0)
    this.count = this.maxMs = 0
  }
}

/** Two windows: the one that is filled, and the one before it. */
export class TurnLengths {
  private current = new Window()
  private previous = new Window()
  private currentFromMs = 0
  private count = 0
  private maxMs = 0

  note(nowMs: number, lengthMs: number): void {
    this.rotate(nowMs)
    this.current.note(lengthMs)
    this.count++
    if (lengthMs > this.maxMs) this.maxMs = lengthMs
  }

  stats(nowMs: number): TurnStats {
    this.rotate(nowMs)
    const recentMaxMs = Math.max(this.current.maxMs, this.previous.maxMs)
    const recentP99Ms = Math.min(this.percentile(0.99), recentMaxMs)
    return { count: this.count, maxMs: this.maxMs, recentMaxMs, recentP99Ms }
  }

  private percentile(share: number): number {
    let left = Math.ceil((this.current.count + this.previous.count) * share)
    if (left === 0) return 0
    for (let bucket = 0; bucket < buckets; bucket++) {
      left -= this.current.counts[bucket]! + this.previous.counts[bucket]!
      if (left <= 0) return 2 ** (bucket / perDoubling) / 1000
    }
    return Number.POSITIVE_INFINITY
  }

  private rotate(nowMs: number): void {
    const ageMs = nowMs - this.currentFromMs
    if (ageMs < windowMs) return
    ;[this.current, this.previous] = [this.previous, this.current]
    this.current.clear()
    if (ageMs >= 2 * windowMs) this.previous.clear()
    this.currentFromMs = nowMs
  }
}
