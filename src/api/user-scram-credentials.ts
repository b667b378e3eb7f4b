import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { alterUserScramCredentials } from '../protocol/schema/alter-user-scram-credentials.ts'
import { describeUserScramCredentials } from '../protocol/schema/describe-user-scram-credentials.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** DescribeUserScramCredentials v0: no user has any, so that each who is named is RESOURCE_NOT_FOUND. */
export const serveDescribeUserScramCredentials = (): ApiHandler =>
  serve(describeUserScramCredentials, { min: 0, max: 0, wide: true }, async ({ users }, context) => {
    const share = new TurnShare(context)
    const times = new Map<string, number>()
    for (const { name } of users ?? []) {
      times.set(name, (times.get(name) ?? 0) + 1)
      const due = share.spend()
      if (due !== undefined) await due
    }
    const results: ResponseInput<typeof describeUserScramCredentials>['results'][number][] = []
    for (const [user, count] of times) {
      results.push({ user, ...(count > 1 ? describedTwice(user) : unknownUser(user)), credentialInfos: [] })
      const due = share.spend()
      if (due !== undefined) await due
    }
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: '', results }
  })

const describedTwice = (user: string) => ({
  errorCode: ErrorCode.DUPLICATE_RESOURCE,
  errorMessage: `Cannot describe SCRAM credentials for the same user twice in a single request: ${user}`,
})
const unknownUser = (user: string) => ({
  errorCode: ErrorCode.RESOURCE_NOT_FOUND,
  errorMessage: `Attempt to describe a user credential that does not exist: ${user}`,
})

/**
 * AlterUserScramCredentials v0: no listener asks who a client is, and credentials that nobody checks would look like
 * protection: what is well-formed is refused as UNSUPPORTED_VERSION, what is not in Kafka's words. There is nothing to
 * delete.
 */
export const serveAlterUserScramCredentials = (): ApiHandler =>
  serve(alterUserScramCredentials, { min: 0, max: 0, wide: true }, async ({ deletions, upsertions }, context) => {
    const share = new TurnShare(context)
    const refusals = new Map<string, Refusal>()
    const upserted = new Set<string>()
    for (const { name, mechanism } of deletions) {
      if (!refusals.has(name)) refusals.set(name, refuseUser(name, mechanism) ?? nothingToDelete)
      const due = share.spend()
      if (due !== undefined) await due
    }
    for (const upsertion of upsertions) {
      const { name } = upsertion
      if (upserted.has(name) && refusals.get(name) === notChecked) refusals.set(name, alteredTwice)
      else if (!refusals.has(name)) refusals.set(name, refuseUpsertion(upsertion) ?? notChecked)
      upserted.add(name)
      const due = share.spend()
      if (due !== undefined) await due
    }
    const results = []
    for (const [user, { code, message }] of refusals) {
      results.push({ user, errorCode: code, errorMessage: message })
      const due = share.spend()
      if (due !== undefined) await due
    }
    return { throttleTimeMs: 0, results }
  })

interface Refusal {
  readonly code: ErrorCode
  readonly message: string
}

type Upsertion = RequestOf<typeof alterUserScramCredentials>['upsertions'][number]

const nothingToDelete: Refusal = {
  code: ErrorCode.RESOURCE_NOT_FOUND,
  message: 'Attempt to delete a user credential that does not exist',
}
const alteredTwice: Refusal = {
  code: ErrorCode.DUPLICATE_RESOURCE,
  message: 'A user credential cannot be altered twice in the same request',
}
const notChecked: Refusal = {
  code: ErrorCode.UNSUPPORTED_VERSION,
  message: 'No listener of this broker authenticates users: it keeps no SCRAM credentials.',
}
const unacceptable = (message: string): Refusal => ({ code: ErrorCode.UNACCEPTABLE_CREDENTIAL, message })

/** By Kafka's number of the mechanism: SCRAM-SHA-256 and SCRAM-SHA-512. */
const minIterations = new Map([
  [1, 4_096],
  [2, 4_096],
])
const maxIterations = 16_384

function refuseUser(name: string, mechanism: number): Refusal | undefined {
  if (name === '') return unacceptable('Username must not be empty')
  if (minIterations.has(mechanism)) return undefined
  return { code: ErrorCode.UNSUPPORTED_SASL_MECHANISM, message: 'Unknown SCRAM mechanism' }
}

function refuseUpsertion({ name, mechanism, iterations }: Upsertion): Refusal | undefined {
  const refused = refuseUser(name, mechanism)
  if (refused !== undefined) return refused
  if (iterations < minIterations.get(mechanism)!) return unacceptable('Too few iterations')
  return iterations > maxIterations ? unacceptable('Too many iterations') : undefined
}
