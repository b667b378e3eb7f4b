/** Names added since the last look that are sorted in one by one; more than that, and all are sorted anew. */
const insertAtMost = 64

/** A set of names that can be read in order, in the order in which Kafka compares strings: by UTF-16 code units. */
export class SortedNames {
  private names: string[] = []
  /** Not in their places yet: a start adds all topics before anybody asks for their order. */
  private added: string[] = []

  /** Adds a name that is not there. */
  add(name: string): void {
    this.added.push(name)
  }

  remove(name: string): void {
    this.settle()
    const at = this.firstFrom(name)
    if (this.names[at] === name) this.names.splice(at, 1)
  }

  /** Names from the first that is not less than `from`, at most `count`. */
  from(from: string, count: number): string[] {
    this.settle()
    const at = this.firstFrom(from)
    return this.names.slice(at, at + count)
  }

  private settle(): void {
    if (this.added.length > insertAtMost) this.names = [...this.names, ...this.added].sort()
    else for (const name of this.added) this.names.splice(this.firstFrom(name), 0, name)
    this.added = []
  }

  private firstFrom(name: string): number {
    let low = 0
    let high = this.names.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.names[middle]! < name) low = middle + 1
      else high = middle
    }
    return low
  }
}
