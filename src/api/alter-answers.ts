import type { ConfigRefusal } from '../config/change.ts'
import { ErrorCode } from '../protocol/index.ts'
import { type AlterMode, alterResource, type ConfigParts, type ConfigRequest } from './config-resources.ts'
import type { RequestContext } from './serve.ts'
import { TurnShare } from './turn-share.ts'

export interface AlterAnswer {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
  readonly resourceType: number
  readonly resourceName: string
}

/** About what it takes to judge one resource, in microseconds. */
const unitsPerResource = 20

/** Changes resource after resource; each succeeds or fails alone, and one that is named twice fails each time. */
export async function alterAll(
  parts: ConfigParts,
  requests: readonly ConfigRequest[],
  mode: AlterMode,
  context: RequestContext,
): Promise<AlterAnswer[]> {
  const keyOf = ({ resourceType, resourceName }: ConfigRequest) => `${resourceType} ${resourceName}`
  const times = new Map<string, number>()
  for (const request of requests) times.set(keyOf(request), (times.get(keyOf(request)) ?? 0) + 1)
  const share = new TurnShare(context)
  const answers: AlterAnswer[] = []
  for (const request of requests) {
    const due = share.spend(unitsPerResource + request.configs.length)
    if (due !== undefined) await due
    answers.push(answer(request, times.get(keyOf(request))! > 1 ? twice : await alterOne(parts, request, mode)))
  }
  return answers
}

const twice: ConfigRefusal = {
  code: ErrorCode.INVALID_REQUEST,
  message: 'Each resource must appear at most once.',
}

async function alterOne(
  parts: ConfigParts,
  request: ConfigRequest,
  mode: AlterMode,
): Promise<ConfigRefusal | undefined> {
  try {
    return await alterResource(parts, request, mode)
  } catch (error) {
    const { resourceType, resourceName } = request
    parts.logger.error({ resourceType, resourceName, error: String(error) }, 'configs could not be changed')
    return {
      code: ErrorCode.KAFKA_STORAGE_ERROR,
      message: 'The configs could not be written to the metadata log.',
    }
  }
}

const answer = ({ resourceType, resourceName }: ConfigRequest, refused: ConfigRefusal | undefined): AlterAnswer => ({
  errorCode: refused?.code ?? ErrorCode.NONE,
  errorMessage: refused?.message ?? null,
  resourceType,
  resourceName,
})
