import { assert } from '../base/assert.ts'
import type {
  CloseReason,
  Network,
  NetworkListener,
  NetworkSettings,
  NetworkStats,
  RefuseReason,
  RegionSplit,
} from '../base/world.ts'
import { EngineStat, EventField, EventKind, Slot } from './addon.ts'
import { type DeliverySink, type Engine, guarded } from './engine.ts'
import { ReplyQueue } from './reply-queue.ts'

/** Connections that the kernel completes while this process is busy. */
const backlog = 1024
const uint32Max = 0xffff_ffff
/** The transport has room for no more. */
const mostConnections = 65_535

export const openNetwork = (engine: Engine): Network => new NativeNetwork(engine)

/** The transport of one engine. A process stays alive from the first `listen` until `stop`. */
class NativeNetwork implements Network, DeliverySink {
  readonly #engine: Engine
  readonly #replies = new ReplyQueue()
  #views: (DataView | undefined)[] = []
  #bytes: (Uint8Array | undefined)[] = []
  #listener: NetworkListener | undefined
  #started = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  start(settings: NetworkSettings, listener: NetworkListener): void {
    assert(!this.#started, 'a network is started once')
    this.#started = true
    const { raw } = this.#engine
    const { block } = raw
    block[Slot.argument] = settings.maxFrameBytes
    block[Slot.argument + 1] = settings.frameBudgetBytes
    block[Slot.argument + 2] = settings.connectionInflightBytes
    block[Slot.argument + 3] = settings.connectionUnsentBytes
    block[Slot.argument + 4] = Math.min(settings.maxConnections, mostConnections)
    block[Slot.argument + 5] = settings.idleTimeoutMs
    block[Slot.argument + 6] = settings.senderThreads
    block[Slot.argument + 7] = settings.maxConnectionsPerIp ?? uint32Max
    this.#engine.check('start the network', raw.startTransport())
    this.#listener = listener
    this.#engine.onEvents(this, () => guarded(() => listener.onTurnEnd()))
  }

  listen(host: string, port: number): { listener: number; host: string; port: number } {
    const { raw } = this.#engine
    this.#engine.check(`listen on ${host}:${port}`, raw.listen(host, port, backlog))
    const listener = raw.block[Slot.listener]!
    return { listener, port: raw.block[Slot.port]!, host: raw.listenerAddress(listener) }
  }

  stopListening(): void {
    this.#engine.raw.stopListening()
  }

  limitConnections(maxConnections: number, maxPerIp: number): void {
    const { raw } = this.#engine
    const status = raw.limitConnections(Math.min(maxConnections, mostConnections), Math.min(maxPerIp, uint32Max))
    this.#engine.check('limit connections', status)
  }

  arenaView(arena: number): DataView {
    return this.#views[arena] ?? this.#openArena(arena).view
  }

  arenaBytes(arena: number): Uint8Array {
    return this.#bytes[arena] ?? this.#openArena(arena).bytes
  }

  releaseFrame(arena: number, position: number): void {
    const { raw } = this.#engine
    raw.block[Slot.argument] = arena
    raw.block[Slot.argument + 1] = position
    raw.releaseFrame()
  }

  reply(
    connection: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    splits: readonly RegionSplit[],
    splitFrom: number,
    splitTo: number,
  ): void {
    this.#replies.add(connection, bytes, from, to, splits, splitFrom, splitTo)
  }

  flush(): void {
    this.#replies.submitTo(this.#engine.raw)
  }

  dropReplies(): void {
    this.#replies.clear()
  }

  pause(connection: number): void {
    this.#engine.raw.pause(connection)
  }

  resume(connection: number): void {
    this.#engine.raw.resume(connection)
  }

  setPatient(connection: number, patient: boolean): void {
    this.#engine.raw.setPatient(connection, patient)
  }

  close(connection: number, afterReplies: boolean): void {
    this.#engine.raw.closeConnection(connection, afterReplies)
  }

  /** Empty for a connection that is gone. */
  peerAddress(connection: number): string {
    return this.#engine.raw.peerAddress(connection) ?? ''
  }

  stats(): NetworkStats {
    const numbers = this.#engine.raw.stats()
    return {
      connections: numbers[EngineStat.connections]!,
      frames: numbers[EngineStat.frames]!,
      frameBytesHeld: numbers[EngineStat.frameBytesHeld]!,
      arenaBytes: numbers[EngineStat.arenaBytes]!,
      repliesQueuedBytes: numbers[EngineStat.repliesQueuedBytes]!,
      bytesIn: numbers[EngineStat.bytesIn]!,
      bytesOut: numbers[EngineStat.bytesOut]!,
      parked: numbers[EngineStat.parked]!,
      sendfileBytes: numbers[EngineStat.sendfileBytes]!,
    }
  }

  /** Closes every socket at once. The listener hears nothing more; frames and their views are gone. */
  stop(): void {
    this.#listener = undefined
    this.#engine.onEvents(undefined, undefined)
    this.#replies.clear()
    this.#views = []
    this.#bytes = []
    this.#engine.raw.stopTransport()
  }

  /** An arena stays where it is as long as the transport, so its views are made once. */
  #openArena(arena: number): { view: DataView; bytes: Uint8Array } {
    const buffer = this.#engine.raw.arena(arena)
    assert(buffer !== undefined, 'no such arena', { arena })
    const view = new DataView(buffer)
    const bytes = new Uint8Array(buffer)
    this.#views[arena] = view
    this.#bytes[arena] = bytes
    return { view, bytes }
  }

  /** For the engine: `count` events lie in its shared array. */
  deliver(count: number): void {
    const { events } = this.#engine.raw
    for (let index = 0; index < count; index++) {
      const listener = this.#listener
      if (listener === undefined) return // Stopped by what came before in this batch.
      try {
        this.#deliverOne(listener, events, index * EventField.count)
      } catch (error) {
        // Uncaught, but the other connections' events still arrive.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  #deliverOne(listener: NetworkListener, events: Float64Array, at: number): void {
    const connection = events[at + EventField.connection]!
    const a = events[at + EventField.a]!
    const b = events[at + EventField.b]!
    switch (events[at + EventField.kind]) {
      case EventKind.frame:
        listener.onFrame(connection, a, b, events[at + EventField.c]!)
        break
      case EventKind.opened:
        listener.onOpen(connection, a)
        break
      case EventKind.closed:
        listener.onClose(connection, a as CloseReason, b)
        break
      case EventKind.congested:
        listener.onCongestion(connection, true)
        break
      case EventKind.drained:
        listener.onCongestion(connection, false)
        break
      case EventKind.gone:
        listener.onGone(connection)
        break
      case EventKind.refused:
        listener.onRefused(a as RefuseReason, b, this.peerAddress(connection))
        break
    }
  }
}
