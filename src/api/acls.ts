import { ErrorCode } from '../protocol/index.ts'
import { createAcls } from '../protocol/schema/create-acls.ts'
import { deleteAcls } from '../protocol/schema/delete-acls.ts'
import { describeAcls } from '../protocol/schema/describe-acls.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * DescribeAcls, CreateAcls and DeleteAcls v1-3: nobody is authorized here, so each is SECURITY_DISABLED, in the words of a
 * Kafka without an authorizer.
 */
export const serveDescribeAcls = (): ApiHandler =>
  serve(describeAcls, { min: 1, max: 3 }, () => ({
    throttleTimeMs: 0,
    errorCode: ErrorCode.SECURITY_DISABLED,
    errorMessage: 'No Authorizer is configured on the broker',
    resources: [],
  }))

const disabled = { errorCode: ErrorCode.SECURITY_DISABLED, errorMessage: 'No Authorizer is configured.' }

export const serveCreateAcls = (): ApiHandler =>
  serve(createAcls, { min: 1, max: 3, wide: true }, async ({ creations }, context) => ({
    throttleTimeMs: 0,
    results: await forEach(creations, disabled, new TurnShare(context)),
  }))

export const serveDeleteAcls = (): ApiHandler =>
  serve(deleteAcls, { min: 1, max: 3, wide: true }, async ({ filters }, context) => ({
    throttleTimeMs: 0,
    filterResults: await forEach(filters, { ...disabled, matchingAcls: [] }, new TurnShare(context)),
  }))

/** One `answer` for each that was asked, in slices. */
async function forEach<Answer>(asked: readonly unknown[], answer: Answer, share: TurnShare): Promise<Answer[]> {
  const answers: Answer[] = []
  while (answers.length < asked.length) {
    answers.push(answer)
    const due = share.spend()
    if (due !== undefined) await due
  }
  return answers
}
