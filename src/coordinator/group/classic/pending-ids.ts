/** Characters of the ids that one group has given out: some thousand ids, whatever client ids they begin with. */
const charsMax = 1024 * 1024

/** Ids that were given to members which have not joined with them yet, in the order in which they were given. */
export class PendingIds {
  private readonly ids = new Set<string>()
  private chars = 0

  get size(): number {
    return this.ids.size
  }
  has(memberId: string): boolean {
    return this.ids.has(memberId)
  }
  [Symbol.iterator](): Iterator<string> {
    return this.ids.values()
  }

  /** Returns the oldest ids, forgotten to make room: who asks for ids and never uses them costs its own kind first. */
  add(memberId: string): string[] {
    const forgotten: string[] = []
    for (const oldest of this.ids) {
      if (this.chars + memberId.length <= charsMax) break
      this.delete(oldest)
      forgotten.push(oldest)
    }
    this.ids.add(memberId)
    this.chars += memberId.length
    return forgotten
  }

  delete(memberId: string): boolean {
    if (!this.ids.delete(memberId)) return false
    this.chars -= memberId.length
    return true
  }
}
