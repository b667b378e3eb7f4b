import { type ServedApi, servedKey } from '../api/lazy.ts'
import { assert } from '../base/assert.ts'
import type { Logger } from '../base/logger.ts'
import { CloseReason, type NetworkListener, type NetworkSettings, RefuseReason, type World } from '../base/world.ts'
import { apiName, Reader, Writer } from '../protocol/index.ts'
import { Connection, type ConnectionServices, type ResponseWriter } from './connection.ts'
import { foreignProtocol } from './foreign-protocol.ts'
import { LineLimit } from './line-limit.ts'
import { Patience, type Patient } from './patience.ts'
import { TurnLengths, type TurnStats } from './turn-lengths.ts'
import { TurnQueue, type TurnTaker } from './turn-queue.ts'
import { sliceElements, sliceTextBytes, WideRequests } from './wide-requests.ts'

/** How long requests are started before the loop gets back to the sockets. */
const turnMs = 2
/** Responses of a turn are handed over early when they are more than this. */
const flushAboveBytes = 1 << 20
/** Output that one response made grow beyond this is given back. */
const keptOutputBytes = 4 << 20

const refuseReasonNames = new Map<number, string>(Object.entries(RefuseReason).map(([name, value]) => [value, name]))
const closeReasonNames = new Map<number, string>(Object.entries(CloseReason).map(([name, value]) => [value, name]))
/** Ends of a connection that are nobody's fault. */
const ordinaryEnds = new Set<number>([CloseReason.peer, CloseReason.requested, CloseReason.idle, CloseReason.shutdown])

/** A response, as `send` was asked for it. */
interface Queued {
  readonly connection: number
  readonly encode: (writer: ResponseWriter) => void
}

/** Accepts connections, hands their frames to the handlers, sends the responses of a loop turn together. */
export class Server implements NetworkListener, ConnectionServices {
  private readonly world: World
  private readonly logger: Logger
  private readonly handlers = new Map<number, ServedApi>()
  private readonly connections = new Map<number, Connection>()
  private opened = 0
  private readonly turns: TurnQueue
  private readonly turnLengths = new TurnLengths()
  readonly wideRequests: WideRequests
  private readonly patience: Patience
  /** For lines that a stranger causes. */
  private readonly lineLimit: LineLimit
  /** One reader an arena: it keeps its view of the arena's memory. */
  private readonly readers: (Reader | undefined)[] = []
  private writer = new Writer()
  /** A turn will come by itself: answers were given outside of one, or the last one was over before its work was. */
  private turnScheduled = false
  private inTurn = false
  /** Appends may be left to be written together: see Storage.gatherAppends. */
  private gathering = false
  /** Arenas and positions of frames that are given back once that is done. */
  private spentFrames: number[] = []
  /**
   * All responses that lie in the output, to be encoded again should one of them tell of an append that is lost: also
   * those that were there before the turn, which go with the others when these are taken back.
   */
  private queued: Queued[] = []
  private readonly onLost = () => this.encodeAgain()

  constructor(world: World, logger: Logger, handlers: readonly ServedApi[]) {
    this.world = world
    this.logger = logger
    this.turns = new TurnQueue(world.clock, turnMs)
    this.wideRequests = new WideRequests(taker => this.enqueue(taker))
    this.lineLimit = new LineLimit(world.clock)
    this.patience = new Patience(world.clock, (connection, patient) => world.network.setPatient(connection, patient))
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
    return this.connections.get(connection)?.listener ?? 0
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
    this.connections.set(connection, new Connection(connection, ++this.opened, listener, this))
  }

  onFrame(connection: number, arena: number, position: number, length: number): void {
    this.inTurn = true // It begins when all frames of this delivery are in line.
    const target = this.connections.get(connection)
    if (target === undefined) this.world.network.releaseFrame(arena, position)
    else target.onFrame(arena, position, length)
  }

  onClose(connection: number, reason: CloseReason, detail: number): void {
    if (!ordinaryEnds.has(reason)) this.logClose(connection, reason, detail)
    this.connections.get(connection)?.onSocketClosed(() => this.connections.delete(connection))
  }

  onGone(connection: number): void {
    this.connections.get(connection)?.onClientGone()
  }

  onCongestion(connection: number, congested: boolean): void {
    this.connections.get(connection)?.onCongestion(congested)
  }

  onRefused(reason: RefuseReason, count: number, peer: string): void {
    this.logger.warn({ reason: refuseReasonNames.get(reason) ?? reason, count, peer }, 'connections were turned away')
  }

  onTurnEnd(): void {
    this.inTurn = false
    // Behind already: the turn that comes by itself follows as soon as the sockets were looked at, which is now.
    if (!this.turnScheduled || this.turns.empty) this.turn()
  }

  turnStats(): TurnStats {
    return this.turnLengths.stats(this.world.clock.monotonicMs())
  }

  enqueue(taker: TurnTaker): void {
    this.turns.add(taker)
    this.scheduleTurn()
  }

  pause(connection: number): void {
    this.world.network.pause(connection)
  }

  resume(connection: number): void {
    this.world.network.resume(connection)
  }

  noteRequest(connection: Patient, apiKey: number): void {
    this.patience.note(connection, apiKey)
  }

  handler(apiKey: number): ServedApi | undefined {
    return this.handlers.get(apiKey)
  }

  peerAddress(connection: number): string {
    return this.world.network.peerAddress(connection)
  }

  readFrame(arena: number, position: number, length: number): Reader {
    const source = this.world.network.arenaBytes(arena)
    let reader = this.readers[arena]
    if (reader === undefined) {
      reader = this.readers[arena] = new Reader(source)
      reader.maxElements = sliceElements
      reader.maxTextBytes = sliceTextBytes
    }
    return reader.reset(source, position, position + length)
  }

  arenaBytes(arena: number): Uint8Array {
    return this.world.network.arenaBytes(arena)
  }

  arenaView(arena: number): DataView {
    return this.world.network.arenaView(arena)
  }

  freeFrame(arena: number, position: number): void {
    if (this.gathering) this.spentFrames.push(arena, position)
    else this.world.network.releaseFrame(arena, position)
  }

  freeRegion(region: number): void {
    this.world.storage.releaseRegion(region)
  }

  send(connection: number, encode: (writer: ResponseWriter) => void): void {
    this.encode(connection, encode)
    this.queued.push({ connection, encode })
    if (this.writer.position >= flushAboveBytes) this.flush()
    else this.scheduleTurn()
  }

  private encode(connection: number, encode: (writer: ResponseWriter) => void): void {
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
  }

  close(connection: number, reason: string, afterReplies: boolean): void {
    const more = this.lineLimit.admit()
    if (more !== undefined) {
      const peer = this.world.network.peerAddress(connection)
      this.logger.warn({ connection, peer, reason, ...more }, 'closing a connection')
    }
    // Replies of this turn that are still queued go first.
    this.flush()
    this.world.network.close(connection, afterReplies)
  }

  unexpected(connection: number, api: string, error: unknown): void {
    const stack = error instanceof Error ? error.stack : String(error)
    this.logger.error({ connection, api, stack }, 'a request failed unexpectedly')
  }

  private logClose(connection: number, reason: CloseReason, detail: number): void {
    const more = this.lineLimit.admit()
    if (more === undefined) return
    const peer = this.world.network.peerAddress(connection)
    const fields = { connection, peer, reason: closeReasonNames.get(reason) ?? reason, ...more }
    if (reason === CloseReason.frameTooLarge || reason === CloseReason.frameInvalid) {
      const speaks = foreignProtocol(detail)
      this.logger.warn({ ...fields, frameBytes: detail, speaks }, 'a connection was closed by the broker')
    } else this.logger.warn({ ...fields, systemError: detail }, 'a connection was closed by the broker')
  }

  private turn(): void {
    const startMs = this.world.clock.monotonicMs()
    this.inTurn = true
    this.writeGathered(true)
    try {
      this.turns.run(startMs)
    } finally {
      this.writeGathered(false)
      this.inTurn = false
      this.flush()
      const endMs = this.world.clock.monotonicMs()
      this.turnLengths.note(endMs, endMs - startMs)
      if (!this.turns.empty) this.scheduleTurn()
    }
  }

  /**
   * What comes up outside a delivery of the network (timers, finished disk work) gets a turn soon; what one turn leaves
   * over gets another, behind the sockets and timers that are ready.
   */
  private scheduleTurn(): void {
    if (this.inTurn || this.turnScheduled) return
    this.turnScheduled = true
    this.world.timers.soon(() => {
      this.turnScheduled = false
      this.turn()
    })
  }

  /** Nothing leaves before what the turn's requests have appended is written; `more`: they go on. */
  private writeGathered(more: boolean): void {
    this.world.storage.gatherAppends(more, this.onLost)
    this.gathering = more
    const { spentFrames: frames } = this
    if (frames.length === 0) return
    this.spentFrames = []
    for (let at = 0; at < frames.length; at += 2) this.world.network.releaseFrame(frames[at]!, frames[at + 1]!)
  }

  /** Answers that were given for appends that are lost say so by now. */
  private encodeAgain(): void {
    this.world.network.dropReplies()
    this.writer.reset()
    for (const { connection, encode } of this.queued) this.encode(connection, encode)
  }

  private flush(): void {
    if (this.writer.position === 0) return
    if (this.gathering) this.writeGathered(true)
    this.queued = []
    this.world.network.flush()
    if (this.writer.bytes.byteLength > keptOutputBytes) this.writer = new Writer()
    else this.writer.reset()
  }
}
