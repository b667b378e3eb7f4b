// Members of a group as their clients behave: properly most of the time, and now and then not at all.

import { ErrorCode } from '../../../src/protocol/index.ts'
import type { JoinAnswer, SyncAnswer } from '../../support/classic-shard.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import type { TestAsker } from '../../support/shard-turns.ts'
import type { OracleJoin, Protocol } from './classic-oracle.ts'

const topicSets = ['a', 'a,b', 'c']
const versions = [0, 3, 4, 5, 7, 8, 9]

export interface SimClient {
  readonly instance: string | null
  readonly version: number
  readonly session: number
  readonly rebalance: number
  protocols: readonly Protocol[]
  memberId: string
  generation: number
  protocol: string
  /** Of the leader: everybody in the group. */
  members: readonly string[]
  phase: 'out' | 'joined' | 'member'
  /** The answer that it waits for. */
  open: TestAsker<JoinAnswer> | TestAsker<SyncAnswer> | undefined
}

export function newClient(random: SeededRandom, at: number): SimClient {
  const instance = random.below(3) === 0 ? `i${at}` : null
  return {
    instance,
    version: instance === null ? versions[random.below(versions.length)]! : [5, 8, 9][random.below(3)]!,
    session: (random.below(8) === 0 ? 400_000 : 6_000) + random.below(20_000),
    rebalance: random.below(8) === 0 ? 350_000 + random.below(50_000) : 1 + random.below(4) * random.below(10_000),
    protocols: drawProtocols(random),
    memberId: '',
    generation: -1,
    protocol: '',
    members: [],
    phase: 'out',
    open: undefined,
  }
}

/** Most have something in common. */
export function drawProtocols(random: SeededRandom): Protocol[] {
  const topics = topicSets[random.below(topicSets.length)]!
  const named = (...names: string[]): Protocol[] => names.map(name => ({ name, topics }))
  const drawn = random.below(12)
  if (drawn === 0) return named('sticky')
  if (drawn < 4) return named('sticky', 'range')
  if (drawn < 7) return named('range', 'sticky')
  return named('range')
}

export function joinRequest(client: SimClient): OracleJoin {
  const { memberId, instance, session, protocols, version } = client
  const rebalance = version === 0 ? session : client.rebalance
  return { memberId, instance, session, rebalance, type: 'consumer', protocols, version }
}

/** The client has read the answer that it waited for. */
export function readAnswer(client: SimClient): void {
  const answer = client.open!.answer
  client.open = undefined
  const code = answer.errorCode
  if ('generationId' in answer) {
    client.phase = code === ErrorCode.NONE ? 'joined' : 'out'
    if (code === ErrorCode.NONE || code === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = answer.memberId
    if (code !== ErrorCode.NONE) {
      forgetIfUnknown(client, code)
      return
    }
    client.generation = answer.generationId!
    client.protocol = answer.protocolName!
    client.members = answer.members.map(({ memberId }) => memberId)
  } else {
    client.phase = code === ErrorCode.NONE ? 'member' : 'out'
    forgetIfUnknown(client, code)
  }
}

/** What a client does with an error: it joins again, with its id unless that is what was wrong. */
export function forgetIfUnknown(client: SimClient, code: ErrorCode): void {
  if (code === ErrorCode.MEMBER_ID_REQUIRED || code === ErrorCode.REBALANCE_IN_PROGRESS) return
  if (code !== ErrorCode.ILLEGAL_GENERATION) client.memberId = ''
}
