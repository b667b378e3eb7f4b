import { type ServedApi, servedKey } from '../api/lazy.ts'
import { assert } from '../base/assert.ts'
import type { Logger } from '../base/logger.ts'
import { CloseReason, type NetworkListener, type NetworkSettings, type World } from '../base/world.ts'
import { apiName, Reader, Writer } from '../protocol/index.ts'
import { Connection, type ConnectionServices, type ResponseWriter } from './connection.ts'

/** Output that one turn's burst made grow beyond this is given back. */
const keptOutputBytes = 4 << 20

const closeReasonNames = new Map<number, string>(Object.entries(CloseReason).map(([name, value]) => [value, name]))
/** Ends of a connection that are nobody's fault. */
const ordinaryEnds = new Set<number>([CloseReason.peer, CloseReason.requested, CloseReason.idle, CloseReason.shutdown])

/** Accepts connections, hands their frames to the handlers, sends the responses of a loop turn together. */
export class Server implements NetworkListener, ConnectionServices {
  private readonly world: World
  private readonly logger: Logger
  private readonly handlers = new Map<number, ServedApi>()
  private readonly connections = new Map<number, Connection>()
  private readonly listenerOf = new Map<number, number>()
  /** One reader an arena: it keeps its view of the arena's memory. */
  private readonly readers: (Reader | undefined)[] = []
  private writer = new Writer()
  private flushScheduled = false
  private inTurn = false

  constructor(world: World, logger: Logger, handlers: readonly ServedApi[]) {
    this.world = world
    this.logger = logger
    for (const handler of handlers) {
      const key = servedKey(handler)
      assert(!this.handlers.has(key), 'an API has one handler', { api: apiName(key) })
      this.handlers.set(key, handler)
    }
  }

  start(settings: NetworkSettings): void {
    this.world.network.start(settings, this)
  }

  /** Which listener a connection came to. */
  listener(connection: number): number {
    return this.listenerOf.get(connection) ?? 0
  }

  /** Sends what is queued and closes everything. */
  stop(): void {
    this.world.network.stopListening()
    this.flush()
    for (const connection of this.connections.values()) connection.onClose()
    this.connections.clear()
    this.world.network.stop()
  }

  onOpen(connection: number, listener: number): void {
    this.listenerOf.set(connection, listener)
    this.connections.set(connection, new Connection(connection, this))
  }

  onFrame(connection: number, arena: number, position: number, length: number): void {
    this.inTurn = true
    const target = this.connections.get(connection)
    if (target === undefined) this.world.network.releaseFrame(arena, position)
    else target.onFrame(arena, position, length)
  }

  onClose(connection: number, reason: CloseReason, systemError: number): void {
    if (!ordinaryEnds.has(reason))
      this.logger.warn(
        { connection, reason: closeReasonNames.get(reason) ?? reason, systemError },
        'a connection was closed by the broker',
      )
    this.connections.get(connection)?.onClose()
    this.connections.delete(connection)
    this.listenerOf.delete(connection)
  }

  onTurnEnd(): void {
    this.inTurn = false
    this.flush()
  }

  handler(apiKey: number): ServedApi | undefined {
    return this.handlers.get(apiKey)
  }

  readFrame(arena: number, position: number, length: number): Reader {
    const source = this.world.network.arenaBytes(arena)
    let reader = this.readers[arena]
    if (reader === undefined) reader = this.readers[arena] = new Reader(source)
    return reader.reset(source, position, position + length)
  }

  arenaView(arena: number): DataView {
    return this.world.network.arenaView(arena)
  }

  freeFrame(arena: number, position: number): void {
    this.world.network.releaseFrame(arena, position)
  }

  freeRegion(region: number): void {
    this.world.storage.releaseRegion(region)
  }

  send(connection: number, encode: (writer: ResponseWriter) => void): void {
    const { writer } = this
    const start = writer.position
    const firstSplit = writer.splits.length
    writer.beginFrame()
    try {
      encode(writer)
      writer.endFrame()
    } catch (error) {
      writer.abandonFrame()
      throw error
    }
    const { bytes, position, splits } = writer
    this.world.network.reply(connection, bytes, start, position, splits, firstSplit, splits.length)
    this.scheduleFlush()
  }

  close(connection: number, reason: string, afterReplies: boolean): void {
    this.logger.warn({ connection, peer: this.world.network.peerAddress(connection), reason }, 'closing a connection')
    // Replies of this turn that are still queued go first.
    this.flush()
    this.world.network.close(connection, afterReplies)
  }

  unexpected(connection: number, api: string, error: unknown): void {
    const stack = error instanceof Error ? error.stack : String(error)
    this.logger.error({ connection, api, stack }, 'a request failed unexpectedly')
  }

  /** Answers given outside a delivery of the network (timers, finished disk work) go out together, soon. */
  private scheduleFlush(): void {
    if (this.inTurn || this.flushScheduled) return
    this.flushScheduled = true
    this.world.timers.soon(() => {
      this.flushScheduled = false
      this.flush()
    })
  }

  private flush(): void {
    if (this.writer.position === 0) return
    this.world.network.flush()
    if (this.writer.bytes.byteLength > keptOutputBytes) this.writer = new Writer()
    else this.writer.reset()
  }
}
