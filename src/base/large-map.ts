/** Entries in one part: a Map moves all that it has as it grows, and the next step, from here on, takes over a millisecond. */
const entriesPerPart = 16_384

/**
 * A map that grows within a turn's time, however large it gets: it has parts, of which each is looked through. It can be gone
 * through while it changes: what is there all the time comes once, what is put in meanwhile may or may not come.
 */
export class LargeMap<Key, Value extends NonNullable<unknown>> {
  private readonly parts: Map<Key, Value>[] = [new Map()]

  get size(): number {
    let size = 0
    for (const part of this.parts) size += part.size
    return size
  }

  has(key: Key): boolean {
    return this.partOf(key) !== undefined
  }

  get(key: Key): Value | undefined {
    const { parts } = this
    for (let at = 0; at < parts.length; at++) {
      const value = parts[at]!.get(key)
      if (value !== undefined) return value
    }
    return undefined
  }

  set(key: Key, value: Value): void {
    const part = this.partOf(key) ?? this.parts.find(({ size }) => size < entriesPerPart)
    if (part === undefined) this.parts.push(new Map([[key, value]]))
    else part.set(key, value)
  }

  delete(key: Key): void {
    this.partOf(key)?.delete(key)
  }

  *[Symbol.iterator](): IterableIterator<[Key, Value]> {
    for (const part of this.parts) yield* part
  }

  private partOf(key: Key): Map<Key, Value> | undefined {
    return this.parts.find(part => part.has(key))
  }
}
