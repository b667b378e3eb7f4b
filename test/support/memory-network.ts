import { assert } from '../../src/base/assert.ts'
import {
  CloseReason,
  type Network,
  type NetworkListener,
  type NetworkSettings,
  type NetworkStats,
  type RegionSplit,
  type Storage,
  type Timers,
} from '../../src/base/world.ts'

const arenaBytes = 1 << 20
const frameAlignment = 8
/** What released frame memory is filled with, so that a late read shows. */
const poison = 0xdd

interface Arena {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly frames: Map<number, number>
  used: number
}

interface Reply {
  readonly connection: number
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
  readonly splits: readonly RegionSplit[]
}

/** Where regions are read that go out with replies. */
export type RegionStorage = Pick<Storage, 'readRegion' | 'releaseRegion'>

/** One client's end: what it was sent, and whether the broker hung up. */
export interface Peer {
  readonly connection: number
  onBytes(bytes: Uint8Array): void
  onClosed(): void
}

/** The contract of `Network` without sockets: a test plays the kernel, frames lie in arenas, replies come out as bytes. */
export class MemoryNetwork implements Network {
  settings: NetworkSettings | undefined
  /** Connections whose sockets would not be read. */
  readonly paused = new Set<number>()
  private listener: NetworkListener | undefined
  private readonly timers: Timers
  private readonly storage: () => RegionStorage
  private readonly arenas: Arena[] = []
  private readonly peers = new Map<number, Peer>()
  private readonly closing = new Set<number>()
  private queued: Reply[] = []
  private nextConnection = 1
  private nextListener = 0
  private listening = false
  private readonly lend: (arena: number, bytes: Uint8Array) => void

  /** `lend` is told of each new arena, for a storage that has to know where frames lie. */
  constructor(
    timers: Timers,
    storage: () => RegionStorage,
    lend: (arena: number, bytes: Uint8Array) => void = () => {},
  ) {
    this.timers = timers
    this.storage = storage
    this.lend = lend
  }

  start(settings: NetworkSettings, listener: NetworkListener): void {
    this.settings = settings
    this.listener = listener
  }

  listen(host: string, port: number): { listener: number; host: string; port: number } {
    this.listening = true
    const listener = this.nextListener++
    return { listener, host, port: port === 0 ? 40_000 + listener : port }
  }

  limitConnections(maxConnections: number, maxConnectionsPerIp: number): void {
    assert(this.settings !== undefined, 'limits change once the network is started')
    this.settings = { ...this.settings, maxConnections, maxConnectionsPerIp }
  }

  stopListening(): void {
    this.listening = false
  }

  arenaView(arena: number): DataView {
    return this.arena(arena).view
  }

  arenaBytes(arena: number): Uint8Array {
    return this.arena(arena).bytes
  }

  releaseFrame(arena: number, position: number): void {
    const { bytes, frames } = this.arena(arena)
    const length = frames.get(position)
    assert(length !== undefined, 'a frame is released once', { arena, position })
    frames.delete(position)
    bytes.fill(poison, position, position + length)
    if (frames.size === 0) this.arena(arena).used = 0
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
    this.queued.push({ connection, bytes, from, to, splits: splits.slice(splitFrom, splitTo) })
  }

  flush(): void {
    const replies = this.queued
    this.queued = []
    for (const reply of replies) {
      const bytes = this.assemble(reply)
      if (!this.closing.has(reply.connection)) this.peers.get(reply.connection)?.onBytes(bytes)
    }
  }

  dropReplies(): void {
    this.queued = []
  }

  /** Of connections that are. */
  readonly patient = new Set<number>()

  setPatient(connection: number, patient: boolean): void {
    if (patient) this.patient.add(connection)
    else this.patient.delete(connection)
  }

  pause(connection: number): void {
    this.paused.add(connection)
  }

  resume(connection: number): void {
    this.paused.delete(connection)
  }

  close(connection: number, afterReplies: boolean): void {
    if (afterReplies) this.flush()
    if (!this.peers.has(connection) || this.closing.has(connection)) return
    this.closing.add(connection)
    this.timers.soon(() => this.drop(connection, CloseReason.requested))
  }

  peerAddress(connection: number): string {
    return this.peers.has(connection) ? `peer-${connection}` : ''
  }

  stats(): NetworkStats {
    const held = this.arenas.flatMap(arena => [...arena.frames.values()])
    return {
      connections: this.peers.size,
      frames: held.length,
      frameBytesHeld: held.reduce((sum, length) => sum + length, 0),
      arenaBytes: this.arenas.reduce((sum, arena) => sum + arena.bytes.length, 0),
      repliesQueuedBytes: this.queued.reduce((sum, reply) => sum + reply.to - reply.from, 0),
      bytesIn: 0,
      bytesOut: 0,
      parked: 0,
      sendfileBytes: 0,
    }
  }

  stop(): void {
    this.flush()
    this.listener = undefined
    for (const peer of this.peers.values()) peer.onClosed()
    this.peers.clear()
    for (const arena of this.arenas) arena.frames.clear()
  }

  // What follows plays the kernel.

  connect(makePeer: (connection: number) => Peer, listener = 0): number {
    assert(this.listening, 'the broker listens')
    const connection = this.nextConnection++
    this.peers.set(connection, makePeer(connection))
    this.turn(target => target.onOpen(connection, listener))
    return connection
  }

  /** Frames that arrive in one loop turn, without their size fields. */
  deliver(frames: readonly { readonly connection: number; readonly frame: Uint8Array }[]): void {
    this.turn(target => {
      for (const { connection, frame } of frames) {
        if (!this.peers.has(connection) || this.closing.has(connection)) continue
        const { arena, position } = this.place(frame)
        target.onFrame(connection, arena, position, frame.length)
      }
    })
  }

  /** The client resets its connection, which is found out by sending; what it sent before may follow. */
  reset(connection: number): void {
    this.turn(target => target.onGone(connection))
  }

  /** The client hangs up. */
  hangUp(connection: number): void {
    this.turn(() => this.drop(connection, CloseReason.peer))
  }

  private turn(work: (listener: NetworkListener) => void): void {
    if (this.listener === undefined) return
    work(this.listener)
    this.listener?.onTurnEnd()
  }

  private drop(connection: number, reason: CloseReason): void {
    const peer = this.peers.get(connection)
    if (peer === undefined) return
    this.peers.delete(connection)
    this.closing.delete(connection)
    peer.onClosed()
    this.listener?.onClose(connection, reason, 0)
  }

  private place(frame: Uint8Array): { arena: number; position: number } {
    let index = this.arenas.findIndex(arena => arena.used + frame.length <= arena.bytes.length)
    if (index < 0) {
      const bytes = new Uint8Array(Math.max(arenaBytes, frame.length)).fill(poison)
      index = this.arenas.push({ bytes, view: new DataView(bytes.buffer), frames: new Map(), used: 0 }) - 1
      this.lend(index, bytes)
    }
    const arena = this.arenas[index]!
    const position = arena.used
    arena.bytes.set(frame, position)
    arena.frames.set(position, frame.length)
    arena.used = Math.ceil((position + Math.max(frame.length, 1)) / frameAlignment) * frameAlignment
    return { arena: index, position }
  }

  private assemble({ bytes, from, to, splits }: Reply): Uint8Array {
    const parts: Uint8Array[] = []
    let at = from
    for (const { position, region, length } of splits) {
      parts.push(bytes.slice(at, position))
      const content = new Uint8Array(length)
      assert(this.storage().readRegion(region, 0, content) === length, 'a region is as long as the reply says')
      this.storage().releaseRegion(region)
      parts.push(content)
      at = position
    }
    parts.push(bytes.slice(at, to))
    return Buffer.concat(parts)
  }

  private arena(arena: number): Arena {
    const found = this.arenas[arena]
    assert(found !== undefined, 'no such arena', { arena })
    return found
  }
}
