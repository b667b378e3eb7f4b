/**
 * What the members of one group said, and what has to be true of it whatever the client, the protocol and the assignor:
 * - A member processes only what it owns, from one offset to the next.
 * - No partition has two owners at once. (A member that lost its partitions learned that late: its time does not count.)
 * - Who takes a partition over does not begin below an offset whose commit was acknowledged before: what was processed
 *   and committed is processed once, and twice is only what a member could not commit before it was killed or cut off.
 * - In the end each record that was acknowledged to its producer has been processed, with the value that was sent.
 * Events carry the wall clock of one machine: only what is apart by it counts as before and after.
 */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'

/** drivers/README.md describes them. */
export interface MemberEvent {
  readonly event:
    | 'ready'
    | 'assigned'
    | 'revoked'
    | 'lost'
    | 'processed'
    | 'committed'
    | 'refused'
    | 'warned'
    | 'failed'
    | 'left'
  readonly member: string
  readonly at: number
  readonly partitions?: readonly string[]
  readonly generation?: number
  readonly partition?: string
  readonly records?: readonly (readonly [offset: number, value: string])[]
  readonly offsets?: Readonly<Record<string, number>>
  readonly message?: string
}

/** The time in which one member owns one partition. */
interface Stint {
  readonly member: string
  readonly from: number
  until: number
  how: 'owned' | 'revoked' | 'lost' | 'killed'
  first: number | undefined
  next: number | undefined
}

export class GroupHistory {
  readonly events: MemberEvent[] = []
  private readonly stints = new Map<string, Stint[]>()
  private readonly sent = new Map<string, string[]>()
  private readonly processed = new Map<string, Map<number, string>>()
  private readonly commits = new Map<string, { readonly at: number; readonly offset: number }[]>()
  private readonly broken: string[] = []
  private readonly left = new Set<string>()
  private readonly changes = new EventEmitter()

  /** The acknowledged values of a partition, in the order of their offsets. */
  produced(partition: string, values: readonly string[]): void {
    this.sent.set(partition, [...(this.sent.get(partition) ?? []), ...values])
  }

  killed(member: string, at: number): void {
    for (const stint of this.ownedBy(member)) end(stint, at, 'killed')
  }

  add(event: MemberEvent): void {
    this.events.push(event)
    const { member, at, partitions = [] } = event
    if (event.event === 'assigned') for (const name of partitions) this.begin(name, member, at)
    if (event.event === 'revoked' || event.event === 'lost')
      for (const stint of this.ownedBy(member, partitions)) end(stint, at, event.event)
    if (event.event === 'processed') this.process(event)
    for (const [name, offset] of Object.entries(event.offsets ?? {}))
      this.commits.set(name, [...(this.commits.get(name) ?? []), { at, offset }])
    if (event.event === 'failed') this.broken.push(`${member} failed: ${event.message}`)
    if (event.event === 'left') {
      this.left.add(member)
      for (const stint of this.ownedBy(member)) end(stint, at, 'revoked')
    }
    this.changes.emit('change')
  }

  /** The partitions of each member that owns some. */
  owners(): Map<string, string[]> {
    const owners = new Map<string, string[]>()
    for (const [name, stints] of this.stints)
      for (const { member, how } of stints)
        if (how === 'owned') owners.set(member, [...(owners.get(member) ?? []), name].sort())
    return owners
  }

  hasLeft(member: string): boolean {
    return this.left.has(member)
  }

  /** Whether these members share `partitions` partitions, none with two more than another, and no one else has any. */
  shared(members: readonly string[], partitions: number): boolean {
    const counts = members.map(member => this.owners().get(member)?.length ?? 0)
    const total = [...this.owners().values()].reduce((sum, owned) => sum + owned.length, 0)
    const all = counts.reduce((sum, count) => sum + count, 0)
    return total === partitions && all === partitions && Math.max(...counts) - Math.min(...counts) <= 1
  }

  /** Whether each record that was sent has been processed. */
  caughtUp(): boolean {
    return [...this.sent].every(([name, values]) => (this.processed.get(name)?.size ?? 0) >= values.length)
  }

  /** The last acknowledged commit of each partition. */
  committed(): Map<string, number> {
    return new Map([...this.commits].map(([name, commits]) => [name, Math.max(...commits.map(({ offset }) => offset))]))
  }

  /** Whether the commit of each record that was sent has been acknowledged. */
  allCommitted(): boolean {
    const committed = this.committed()
    return [...this.ends()].every(([name, end]) => committed.get(name) === end)
  }

  /** What was sent to each partition so far, as the offset behind it. */
  ends(): Map<string, number> {
    return new Map([...this.sent].map(([name, values]) => [name, values.length]))
  }

  /** Returns once `condition` holds; fails with the state of the group past `limitMs`, or once a member has failed. */
  async until(what: string, condition: () => boolean, limitMs: number): Promise<void> {
    const deadline = AbortSignal.timeout(limitMs)
    while (!condition()) {
      assert.deepEqual(this.broken, [], what)
      await once(this.changes, 'change', { signal: deadline }).catch(() => {
        throw new Error(`not within ${limitMs} ms: ${what}\n${this.state()}`)
      })
    }
  }

  check(): void {
    assert.deepEqual(this.broken, [])
    for (const [name, heard] of this.stints) {
      // Each process was heard in order, but not one against another.
      const stints = [...heard].sort((a, b) => a.from - b.from)
      for (const [i, stint] of stints.entries()) {
        this.checkTakeover(name, stint)
        const before = stints[i - 1]
        if (before === undefined || before.how === 'lost' || before.until <= stint.from) continue
        assert.fail(`${name} went to ${stint.member} at ${stint.from}; ${before.member} had it until ${before.until}`)
      }
    }
    for (const [name, values] of this.sent) {
      const processed = this.processed.get(name)
      const wrong = values.flatMap((value, offset) => (processed?.get(offset) === value ? [] : [offset]))
      assert.deepEqual(wrong, [], `${name}: offsets that no member processed with the value that was sent`)
    }
  }

  private checkTakeover(name: string, { member, from, first }: Stint): void {
    if (first === undefined) return
    const before = (this.commits.get(name) ?? []).filter(({ at }) => at < from).map(({ offset }) => offset)
    const committed = Math.max(0, ...before)
    assert.ok(first >= committed, `${name}: ${member} began at ${first}, though ${committed} was committed before`)
  }

  private begin(name: string, member: string, at: number): void {
    const stints = this.stints.get(name) ?? []
    const current = stints.at(-1)
    // An assignor that revokes nothing tells again what stays.
    if (current?.member === member && current.how === 'owned') return
    stints.push({ member, from: at, until: Number.POSITIVE_INFINITY, how: 'owned', first: undefined, next: undefined })
    this.stints.set(name, stints)
  }

  private process({ member, partition = '', records = [] }: MemberEvent): void {
    const stint = this.ownedBy(member, [partition])[0]
    const first = records[0]?.[0]
    if (stint === undefined) this.broken.push(`${member} processed ${partition} from ${first}, which is not its own`)
    const values = this.processed.get(partition) ?? new Map<number, string>()
    this.processed.set(partition, values)
    for (const [offset, value] of records) {
      if (stint?.next !== undefined && stint.next !== offset)
        this.broken.push(`${member} processed ${partition} ${offset} where ${stint.next} was next`)
      if (stint !== undefined) {
        stint.first ??= offset
        stint.next = offset + 1
      }
      values.set(offset, value)
    }
  }

  private ownedBy(member: string, names?: readonly string[]): Stint[] {
    const among = names === undefined ? [...this.stints.values()] : names.map(name => this.stints.get(name) ?? [])
    return among.flat().filter(stint => stint.member === member && stint.how === 'owned')
  }

  private state(): string {
    const owners = [...this.owners()].map(([member, owned]) => `${member}: ${owned.join(' ')}`)
    const read = [...this.sent].map(
      ([name, { length }]) => `${name}: ${this.processed.get(name)?.size ?? 0} of ${length}`,
    )
    const last = this.events.filter(({ event }) => event !== 'processed' && event !== 'committed').slice(-12)
    return [...owners, ...read, ...last.map(event => JSON.stringify(event))].join('\n')
  }
}

const end = (stint: Stint, at: number, how: 'revoked' | 'lost' | 'killed'): void => {
  stint.until = at
  stint.how = how
}
