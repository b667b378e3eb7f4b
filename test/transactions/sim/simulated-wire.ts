import {
  type Api,
  decodeResponseHeader,
  Reader,
  type RequestInput,
  type ResponseOf,
  responseCodec,
  responseHeaderVersion,
} from '../../../src/protocol/index.ts'
import type { Peer } from '../../support/memory-network.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import { requestFrame } from '../../support/test-client.ts'
import { type Faults, noFaults } from '../lib/proxy.ts'
import { type Answer, ConnectionLost, type Surroundings, type Wire } from '../lib/wire.ts'
import type { SimulatedBroker } from './simulated-broker.ts'

/** One way. */
const latencyMs = 2
const patienceMs = 6_000

type Fault = 'lost' | 'late' | 'unanswered' | 'slow' | undefined

/** Clients of a simulated broker, over a network that fails as it is told to. */
export class SimulatedSurroundings implements Surroundings {
  readonly random: SeededRandom
  readonly broker: SimulatedBroker
  faults: Faults
  private readonly wires = new Set<SimulatedWire>()

  constructor(random: SeededRandom, broker: SimulatedBroker, faults: Faults = noFaults) {
    this.random = random
    this.broker = broker
    this.faults = faults
  }

  /** The broker is gone, and every connection to it. */
  loseAll(): void {
    for (const wire of [...this.wires]) wire.close()
  }

  async connect(): Promise<Wire> {
    await this.pause(this.random.below(latencyMs + 1))
    const { running } = this.broker
    if (running === undefined) throw new ConnectionLost('nobody listens')
    const wire = new SimulatedWire(this, () => this.wires.delete(wire))
    this.wires.add(wire)
    running.world.network.connect(connection => wire.opened(connection))
    return wire
  }

  pause(ms: number): Promise<void> {
    return new Promise(resolve => this.broker.clients.after(ms, resolve))
  }

  nowMs(): number {
    return this.broker.clients.wallMs()
  }

  draw(): Fault {
    for (const fault of ['lost', 'late', 'unanswered', 'slow'] as const)
      if (this.random.chance(this.faults[fault])) return fault
    return undefined
  }

  async travel(fault: Fault): Promise<void> {
    await this.pause(this.random.below(latencyMs + 1) + (fault === 'slow' ? this.random.below(this.faults.slowMs) : 0))
  }
}

class SimulatedWire implements Wire, Peer {
  connection = 0
  private readonly at: SimulatedSurroundings
  private readonly onLost: () => void
  private readonly waiting = new Map<number, { resolve(frame: Uint8Array): void; reject(error: Error): void }>()
  private nextCorrelationId = 1
  private lost = false
  /** The last request and the last answer on their way: what is behind them does not overtake. */
  private lastSent: Promise<void> = Promise.resolve()
  private lastAnswer: Promise<void> = Promise.resolve()

  constructor(at: SimulatedSurroundings, onLost: () => void) {
    this.at = at
    this.onLost = onLost
  }

  opened(connection: number): this {
    this.connection = connection
    return this
  }

  async request<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<Answer<ResponseOf<A>>> {
    this.check()
    const { at } = this
    const fault = at.draw()
    const correlationId = this.nextCorrelationId++
    const frame = requestFrame(api, version, correlationId, body)
    if (fault === 'late') this.deliverLate(frame)
    if (fault === 'lost') this.close()
    this.check()
    this.lastSent = behind(this.lastSent, at.travel(fault))
    await this.lastSent
    this.check()
    const answered = new Promise<Uint8Array>((resolve, reject) => this.waiting.set(correlationId, { resolve, reject }))
    answered.catch(() => {})
    const patience = at.broker.clients.after(patienceMs, () => this.close())
    at.broker.running?.world.network.deliver([{ connection: this.connection, frame }])
    try {
      const bytes = await answered
      this.lastAnswer = behind(this.lastAnswer, at.travel(fault))
      await this.lastAnswer
      if (fault === 'unanswered') this.close()
      this.check()
      return decode(api, version, bytes)
    } finally {
      patience.cancel()
    }
  }

  close(): void {
    if (this.lost) return
    this.hangUp()
    this.onClosed()
  }

  /** The client gives the connection up; the broker keeps it until what is on its way has arrived, and nobody waits for it. */
  private deliverLate(frame: Uint8Array): void {
    const { at, connection } = this
    const { running } = at.broker
    void behind(this.lastSent, at.pause(at.random.below(at.faults.lateMs))).then(() => {
      // Of an earlier life of the broker nothing arrives.
      if (running !== at.broker.running) return
      running?.world.network.deliver([{ connection, frame }])
      void at.pause(patienceMs).then(() => running === at.broker.running && this.hangUp())
    })
    this.onClosed()
  }

  private hangUp(): void {
    this.at.broker.running?.world.network.hangUp(this.connection)
  }

  onBytes(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let at = 0; at < bytes.length; ) {
      const size = view.getInt32(at)
      const frame = bytes.slice(at + 4, at + 4 + size)
      const correlationId = view.getInt32(at + 4)
      this.waiting.get(correlationId)?.resolve(frame)
      this.waiting.delete(correlationId)
      at += 4 + size
    }
  }

  onClosed(): void {
    this.lost = true
    this.onLost()
    for (const { reject } of this.waiting.values()) reject(new ConnectionLost('the connection was closed'))
    this.waiting.clear()
  }

  private check(): void {
    if (this.lost) throw new ConnectionLost('the connection is closed')
  }
}

const behind = async (before: Promise<void>, travel: Promise<void>): Promise<void> => {
  await Promise.all([before, travel])
}

function decode<A extends Api>(api: A, version: number, frame: Uint8Array): Answer<ResponseOf<A>> {
  const reader = new Reader(frame)
  decodeResponseHeader(reader, responseHeaderVersion(api, version))
  const body = responseCodec(api, version).decode(reader) as ResponseOf<A>
  reader.expectEnd()
  const records: Answer<ResponseOf<A>>['records'] = view =>
    view === null ? new Uint8Array() : frame.subarray(view.position, view.position + view.length)
  return { body, records }
}
