import { ErrorCode } from '../protocol/index.ts'
import { createDelegationToken } from '../protocol/schema/create-delegation-token.ts'
import { describeDelegationToken } from '../protocol/schema/describe-delegation-token.ts'
import { expireDelegationToken } from '../protocol/schema/expire-delegation-token.ts'
import { renewDelegationToken } from '../protocol/schema/renew-delegation-token.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * Create-, Describe- (v1-3), Renew- and ExpireDelegationToken (v1-2): a token is for who has proved who he is, and on a
 * listener without authentication nobody has. All are DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as on Kafka's PLAINTEXT.
 */
const errorCode = ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
const noTime = -1
/** Whom Kafka takes a client for that has not said who it is. */
const anonymous = { type: 'User', name: 'ANONYMOUS' }

export const serveCreateDelegationToken = (): ApiHandler =>
  serve(createDelegationToken, { min: 1, max: 3 }, ({ ownerPrincipalType, ownerPrincipalName }, { apiVersion }) => {
    const forOther = ownerPrincipalName !== null && ownerPrincipalName !== ''
    const owner = forOther ? { type: ownerPrincipalType ?? '', name: ownerPrincipalName } : anonymous
    const requester = {
      tokenRequesterPrincipalType: anonymous.type,
      tokenRequesterPrincipalName: anonymous.name,
    }
    return {
      errorCode,
      principalType: owner.type,
      principalName: owner.name,
      ...(apiVersion >= 3 ? requester : {}),
      issueTimestampMs: noTime,
      expiryTimestampMs: noTime,
      maxTimestampMs: noTime,
      tokenId: '',
      hmac: new Uint8Array(),
      throttleTimeMs: 0,
    }
  })

export const serveDescribeDelegationToken = (): ApiHandler =>
  serve(describeDelegationToken, { min: 1, max: 3 }, () => ({ errorCode, tokens: [], throttleTimeMs: 0 }))

export const serveRenewDelegationToken = (): ApiHandler =>
  serve(renewDelegationToken, { min: 1, max: 2 }, () => ({ errorCode, expiryTimestampMs: noTime, throttleTimeMs: 0 }))

export const serveExpireDelegationToken = (): ApiHandler =>
  serve(expireDelegationToken, { min: 1, max: 2 }, () => ({ errorCode, expiryTimestampMs: noTime, throttleTimeMs: 0 }))
