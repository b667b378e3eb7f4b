import type { Logger } from '../../base/logger.ts'
import type { Clock } from '../../base/world.ts'
import { ErrorCode, type Uuid, uuidToBytes } from '../../protocol/index.ts'
import { extendCrc32c } from '../../records/crc32c.ts'
import type { ClientAttributes, Subscriptions, Wanted } from './subscriptions.ts'

/** A client that was told what to push. What subscriptions match it by is asked again when they change, not kept. */
interface ClientInstance {
  readonly wanted: Wanted
  readonly subscriptionId: number
  readonly subscriptionVersion: number
  /** Monotonic: when it was last told what to push, and when a push of it last came in time. */
  lastGetMs: number
  lastPushMs: number
  lastSeenMs: number
  /** It was told what to push since its last push. */
  newlyTold: boolean
  terminating: boolean
  lastError: ErrorCode
  pushes: number
}

type WantedMetrics = Pick<Subscriptions, 'version' | 'wantedOf'>

/** Clients remembered at once, as in Kafka; who was heard of longest ago is forgotten first. */
const maxInstances = 16_384
/** A client that is silent for this long, and for three of its intervals, is forgotten. */
const minExpiryMs = 60_000
const expiryIntervals = 3

/** Kafka's numbers: gzip, snappy, lz4, zstd, the best first. */
export const acceptedCompressions: readonly number[] = [4, 3, 1, 2]
const uncompressed = 0

export interface Push {
  readonly subscriptionId: number
  readonly terminating: boolean
  readonly compressionType: number
  readonly bytes: number
}

export interface TelemetryTotals {
  readonly pushes: number
  readonly bytes: number
  readonly refused: number
}

/** What clients were told to push, who they are, and what came of it (KIP-714). */
export class ClientTelemetry {
  readonly maxBytes: number
  private readonly subscriptions: WantedMetrics
  private readonly clock: Clock
  private readonly logger: Logger
  /** Whoever was heard of last comes last. */
  private readonly instances = new Map<Uuid, ClientInstance>()
  private pushes = 0
  private bytes = 0
  private refused = 0

  constructor(subscriptions: WantedMetrics, maxBytes: number, clock: Clock, logger: Logger) {
    this.subscriptions = subscriptions
    this.maxBytes = maxBytes
    this.clock = clock
    this.logger = logger
  }

  get totals(): TelemetryTotals {
    return { pushes: this.pushes, bytes: this.bytes, refused: this.refused }
  }

  get size(): number {
    return this.instances.size
  }

  /** What the client is to push from now on, or why it may not ask yet. */
  subscribe(
    id: Uuid,
    attributes: () => ClientAttributes,
  ): { readonly code: ErrorCode; readonly subscriptionId: number; readonly wanted: Wanted } {
    const nowMs = this.clock.monotonicMs()
    const instance = this.seen(id, attributes, nowMs)
    const { subscriptionId, wanted } = instance
    const tooEarly = nowMs - Math.max(instance.lastGetMs, instance.lastPushMs) < wanted.intervalMs
    // Who was told that its subscription or its compression is not right asks at once.
    if (tooEarly && !askAgainAfter.has(instance.lastError))
      return { code: ErrorCode.THROTTLING_QUOTA_EXCEEDED, subscriptionId, wanted }
    instance.lastGetMs = nowMs
    instance.newlyTold = true
    instance.lastError = ErrorCode.NONE
    return { code: ErrorCode.NONE, subscriptionId, wanted }
  }

  /** Takes a push, or says why not. */
  push(id: Uuid, attributes: () => ClientAttributes, push: Push): ErrorCode {
    const nowMs = this.clock.monotonicMs()
    const instance = this.seen(id, attributes, nowMs)
    const code = this.judge(instance, push, nowMs)
    instance.lastError = code
    instance.terminating = push.terminating
    if (code === ErrorCode.NONE) this.received(instance, attributes, push)
    else this.refused++
    return code
  }

  private judge(instance: ClientInstance, push: Push, nowMs: number): ErrorCode {
    if (instance.terminating) return ErrorCode.INVALID_REQUEST
    // A client's first push comes at a random point of its interval.
    const due = instance.newlyTold || nowMs - instance.lastPushMs >= instance.wanted.intervalMs
    if (due) {
      instance.lastPushMs = nowMs
      instance.newlyTold = false
    } else if (!push.terminating) return ErrorCode.THROTTLING_QUOTA_EXCEEDED
    if (push.subscriptionId !== instance.subscriptionId) return ErrorCode.UNKNOWN_SUBSCRIPTION_ID
    const { compressionType } = push
    if (compressionType !== uncompressed && !acceptedCompressions.includes(compressionType))
      return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    return push.bytes > this.maxBytes ? ErrorCode.TELEMETRY_TOO_LARGE : ErrorCode.NONE
  }

  private received(
    instance: ClientInstance,
    attributes: () => ClientAttributes,
    { bytes, compressionType }: Push,
  ): void {
    if (bytes === 0) return
    this.pushes++
    this.bytes += bytes
    instance.pushes++
    if (instance.pushes > 1) return
    this.logger.info({ ...attributes(), bytes, compressionType }, 'a client began to push its metrics')
  }

  /** The instance, under the subscriptions of this moment. */
  private seen(id: Uuid, attributes: () => ClientAttributes, nowMs: number): ClientInstance {
    const known = this.instances.get(id)
    const current = known?.subscriptionVersion === this.subscriptions.version && !expired(known, nowMs)
    const instance = current ? known : this.subscribed(id, attributes())
    instance.lastSeenMs = nowMs
    this.instances.delete(id)
    this.instances.set(id, instance)
    this.forgetOld(nowMs)
    return instance
  }

  private subscribed(id: Uuid, attributes: ClientAttributes): ClientInstance {
    const wanted = this.subscriptions.wantedOf(attributes)
    return {
      wanted,
      subscriptionId: subscriptionIdOf(id, wanted),
      subscriptionVersion: this.subscriptions.version,
      lastGetMs: Number.NEGATIVE_INFINITY,
      lastPushMs: Number.NEGATIVE_INFINITY,
      lastSeenMs: 0,
      newlyTold: false,
      terminating: false,
      lastError: ErrorCode.NONE,
      pushes: 0,
    }
  }

  private forgetOld(nowMs: number): void {
    for (const [id, instance] of this.instances) {
      if (this.instances.size <= maxInstances && !expired(instance, nowMs)) return
      this.instances.delete(id)
    }
  }
}

const askAgainAfter: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.UNKNOWN_SUBSCRIPTION_ID,
  ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
])

const expired = ({ lastSeenMs, wanted }: ClientInstance, nowMs: number): boolean =>
  nowMs - lastSeenMs >= Math.max(minExpiryMs, wanted.intervalMs * expiryIntervals)

const utf8 = new TextEncoder()

/** Another one for each client, and for each client when what is wanted of it changes; the same after a restart. */
function subscriptionIdOf(id: Uuid, { intervalMs, metrics }: Wanted): number {
  const wanted = utf8.encode(JSON.stringify([intervalMs, metrics]))
  return extendCrc32c(extendCrc32c(0, uuidToBytes(id)), wanted) | 0
}
