import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countPartitions } from '../../../../src/coordinator/group/assignor/assignment.ts'
import { type Assignment, type Assignor, assignorNamed } from '../../../../src/coordinator/group/assignor/assignor.ts'
import { type GroupShape, inputOf, movedBetween, pairs, shown, topicId } from './groups.ts'

const runs = Number(process.env.MILLRACE_PROPERTY_RUNS ?? 300)
const names = ['uniform', 'range']

const shape = (same: boolean): fc.Arbitrary<GroupShape> =>
  fc.array(fc.nat(12), { minLength: 1, maxLength: 6 }).chain(partitions => {
    const topics = fc.uniqueArray(fc.nat(partitions.length - 1))
    const memberIds = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 9 })
    return fc.tuple(memberIds, topics, fc.array(topics, { minLength: 9, maxLength: 9 })).map(([ids, all, each]) => ({
      partitions,
      members: new Map(ids.map((id, place) => [id, same ? all : each[place]!])),
    }))
  })

/** Any claims at all, of partitions that are not there and of one by several members. */
function claims(ids: readonly string[]): fc.Arbitrary<Assignment> {
  const owned = fc
    .uniqueArray(fc.nat(7), { maxLength: 4 })
    .chain(topics => fc.tuple(...topics.map(number => fc.tuple(fc.constant(topicId(number)), someNumbers))))
    .map(entries => new Map(entries))
  return fc.tuple(...ids.map(id => fc.tuple(fc.constant(id), owned))).map(entries => new Map(entries))
}
const someNumbers = fc.uniqueArray(fc.nat(15), { minLength: 1, maxLength: 8 }).map(numbers => new Set(numbers))

const withClaims = (same: boolean): fc.Arbitrary<GroupShape> =>
  shape(same).chain(given => claims([...given.members.keys()]).map(assigned => ({ ...given, assigned })))

function assertWhole({ partitions, members }: GroupShape, assignment: Assignment): void {
  assert.deepEqual([...assignment.keys()].sort(), [...members.keys()].sort())
  const owners = new Map<string, string>()
  for (const [memberId, owned] of assignment) {
    for (const partitionsOfTopic of owned.values()) assert.ok(partitionsOfTopic.size > 0, 'no topic without partitions')
    for (const [id, partition] of pairs(owned)) {
      const key = `${id}-${partition}`
      assert.equal(owners.get(key), undefined, 'one owner')
      owners.set(key, memberId)
      assert.ok(
        members.get(memberId)!.some(number => topicId(number) === id),
        'owned by a subscriber',
      )
    }
  }
  const subscribed = new Set([...members.values()].flat())
  const wanted = [...subscribed].flatMap(number =>
    Array.from({ length: partitions[number]! }, (_, partition) => `${topicId(number)}-${partition}`),
  )
  assert.deepEqual([...owners.keys()].sort(), wanted.sort(), 'every partition has an owner')
}

const shuffled = (given: GroupShape): GroupShape => ({
  ...given,
  members: new Map([...given.members].reverse().map(([id, topics]) => [id, [...topics].reverse()])),
})

for (const name of names) {
  const assignor: Assignor = assignorNamed(name)!
  for (const same of [true, false]) {
    test(`${name}, ${same ? 'same' : 'mixed'} subscriptions: every partition has one owner, and order decides nothing`, () => {
      fc.assert(
        fc.property(withClaims(same), given => {
          const assignment = assignor.assign(inputOf(given))
          assertWhole(given, assignment)
          assert.deepEqual(shown(assignor.assign(inputOf(shuffled(given)))), shown(assignment))
          const again = assignor.assign(inputOf({ ...given, assigned: assignment }))
          for (const [memberId, owned] of again) assert.equal(owned, assignment.get(memberId), 'a fixed point')
        }),
        { numRuns: runs },
      )
    })
  }
}

test('uniform, same subscriptions: loads differ by at most one, and only what must move moves', () => {
  const uniform = assignorNamed('uniform')!
  fc.assert(
    fc.property(shape(true), fc.nat(8), fc.boolean(), (given, which, joins) => {
      const before = uniform.assign(inputOf(given))
      const members = new Map(given.members)
      const topics = [...members.values()][0]!
      const leaver = [...members.keys()][which % members.size]!
      if (joins) members.set('joined', topics)
      else members.delete(leaver)
      if (members.size === 0) return
      const after = uniform.assign(inputOf({ ...given, members, assigned: before }))
      const loads = [...after.values()].map(countPartitions)
      assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `loads ${loads}`)
      assert.equal(movedBetween(before, after), countPartitions(joins ? after.get('joined')! : before.get(leaver)!))
    }),
    { numRuns: runs },
  )
})

test('uniform, mixed subscriptions: no single move would make two members more equal', () => {
  const uniform = assignorNamed('uniform')!
  fc.assert(
    fc.property(withClaims(false), given => {
      const after = uniform.assign(inputOf(given))
      for (const [memberId, owned] of after) {
        for (const id of owned.keys()) {
          for (const [otherId, topics] of given.members) {
            if (!topics.some(number => topicId(number) === id)) continue
            const gap = countPartitions(owned) - countPartitions(after.get(otherId)!)
            assert.ok(gap <= 1, `${memberId} has ${gap} more than ${otherId}`)
          }
        }
      }
    }),
    { numRuns: runs },
  )
})

test('range: the share of a topic differs by at most one among its subscribers, without gaps', () => {
  const range = assignorNamed('range')!
  fc.assert(
    fc.property(shape(false), given => {
      const assignment = range.assign(inputOf(given))
      for (const [number, count] of given.partitions.entries()) {
        const subscribers = [...given.members].filter(([, topics]) => topics.includes(number))
        if (subscribers.length === 0) continue
        const shares = subscribers.map(([id]) => [...(assignment.get(id)!.get(topicId(number)) ?? [])])
        for (const share of shares) for (let i = 1; i < share.length; i++) assert.equal(share[i], share[i - 1]! + 1)
        const sizes = shares.map(share => share.length)
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1 && Math.max(...sizes) >= count / subscribers.length)
      }
    }),
    { numRuns: runs },
  )
})

test('no such assignor is undefined', () => assert.equal(assignorNamed('sticky'), undefined))
