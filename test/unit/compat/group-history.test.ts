import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupHistory, type MemberEvent } from '../../compat/lib/group-history.ts'

const name = 't/0'
const values = Array.from({ length: 10 }, (_, i) => `v${i}`)

/** A history of one partition of ten records, in which events come 10 ms apart. */
class Told {
  readonly history = new GroupHistory()
  private at = 1_000

  constructor() {
    this.history.produced(name, values)
  }

  say(event: MemberEvent['event'], member: string, fields: Partial<MemberEvent> = {}): this {
    this.at += 10
    this.history.add({ event, member, at: this.at, ...fields })
    return this
  }

  assigned(member: string): this {
    return this.say('assigned', member, { partitions: [name] })
  }

  revoked(member: string): this {
    return this.say('revoked', member, { partitions: [name] })
  }

  processed(member: string, from: number, to: number): this {
    const records = values.map((value, offset) => [offset, value] as const).slice(from, to)
    return this.say('processed', member, { partition: name, records })
  }

  committed(member: string, offset: number): this {
    return this.say('committed', member, { offsets: { [name]: offset } })
  }

  killed(member: string): this {
    this.at += 10
    this.history.killed(member, this.at)
    return this
  }
}

test('a partition that goes over where its commits are is right', () => {
  const told = new Told().assigned('a').processed('a', 0, 4).committed('a', 4).revoked('a')
  told.assigned('b').processed('b', 4, 10).committed('b', 10).history.check()
})

test('members that are heard late are placed by their own clocks', () => {
  const history = new GroupHistory()
  const owned = { partitions: [name] }
  const heard: [MemberEvent['event'], string, number][] = [
    ['assigned', 'a', 10],
    ['revoked', 'a', 20],
    ['assigned', 'a', 50],
    ['assigned', 'b', 30],
    ['revoked', 'b', 40],
  ]
  for (const [event, member, at] of heard) history.add({ event, member, at, ...owned })
  history.check()
})

test('what a killed member could not commit is processed again', () => {
  const told = new Told().assigned('a').processed('a', 0, 4).committed('a', 4).processed('a', 4, 6).killed('a')
  told.assigned('b').processed('b', 4, 10).history.check()
})

test('processing again what was committed is an error', () => {
  const told = new Told().assigned('a').processed('a', 0, 4).committed('a', 4).revoked('a')
  told.assigned('b').processed('b', 3, 10)
  assert.throws(() => told.history.check(), /b began at 3, though 4 was committed before/)
})

test('two owners at once are an error, unless the first had lost the partition without knowing', () => {
  const both = () => new Told().assigned('a').processed('a', 0, 4).committed('a', 4).assigned('b').processed('b', 4, 10)
  assert.throws(() => both().history.check(), /went to b/)
  assert.throws(() => both().revoked('a').history.check(), /went to b/)
  both()
    .say('lost', 'a', { partitions: [name] })
    .history.check()
})

test('a record that is left out, by its member or by all, is an error', () => {
  const gap = new Told().assigned('a').processed('a', 0, 4).processed('a', 5, 10)
  assert.throws(() => gap.history.check(), /t\/0 5 where 4 was next/)
  const skipped = new Told().assigned('a').processed('a', 0, 4).revoked('a').assigned('b').processed('b', 6, 10)
  assert.throws(() => skipped.history.check(), /no member processed/)
})

test('a member that processes what is not its own, or another value, is an error', () => {
  const foreign = new Told().assigned('a').revoked('a').processed('a', 0, 10)
  assert.throws(() => foreign.history.check(), /not its own/)
  const wrong = new Told().assigned('a').processed('a', 0, 9)
  wrong.say('processed', 'a', { partition: name, records: [[9, 'other']] })
  assert.throws(() => wrong.history.check(), /no member processed/)
})

test('a group is shared once the members that are asked for have all partitions, evenly, and no one else any', () => {
  const { history } = new Told().assigned('a')
  assert.ok(history.shared(['a'], 1))
  assert.ok(history.shared(['a', 'b'], 1))
  assert.ok(!history.shared(['b'], 1))
  assert.ok(!history.shared(['a'], 2))
  history.add({ event: 'assigned', member: 'a', at: 2_000, partitions: ['t/1', 't/2'] })
  assert.ok(!history.shared(['a', 'b'], 3))
})
