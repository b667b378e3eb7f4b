import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Patience, type Patient } from '../../../src/server/patience.ts'

const commit = 8
const heartbeat = 12
const joinGroup = 11

function crowd(size: number) {
  let nowMs = 0
  const patient = new Set<number>()
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
  const patience = new Patience(clock, (id, is) => void (is ? patient.add(id) : patient.delete(id)))
  const members = Array.from(
    { length: size },
    (_, id): Patient => ({ id, patient: false, secondMs: -1e9, unhurried: 0 }),
  )
  /** Each sends these once, one after the other within a second. */
  const second = (...apis: number[]): void => {
    for (const member of members) {
      for (const api of apis) patience.note(member, api)
      nowMs += 1_000 / size
    }
  }
  const passMs = (ms: number): void => {
    nowMs += ms
  }
  return { patience, patient, members, second, passMs }
}

test('many connections that commit once a second are read together', () => {
  const { patient, second } = crowd(1_000)
  second(commit, heartbeat)
  second(commit)
  assert.equal(patient.size, 1_000)
})

test('a few consumers never wait for each other', () => {
  const { patient, second } = crowd(100)
  for (let count = 0; count < 5; count++) second(commit, heartbeat)
  assert.equal(patient.size, 0)
})

test('who sends anything else, or commits again and again, is hurried', () => {
  const { patience, patient, members, second } = crowd(1_000)
  second(commit)
  second(commit)
  patience.note(members[0]!, joinGroup)
  assert.ok(!patient.has(0))
  for (let count = 0; count < 10; count++) patience.note(members[1]!, commit)
  assert.ok(!patient.has(1), 'somebody waits for each of these commits')
  assert.equal(patient.size, 998)
})

test('when the many are gone nobody waits for them any more', () => {
  const { patience, patient, members, second, passMs } = crowd(1_000)
  second(commit)
  second(commit)
  passMs(5_000)
  patience.note(members[7]!, commit)
  assert.ok(!patient.has(7))
})
