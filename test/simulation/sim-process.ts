import { type Broker, startBroker } from '../../src/app/broker.ts'
import { readBrokerConfig } from '../../src/app/config.ts'
import {
  type Api,
  decodeResponseHeader,
  Reader,
  type RequestInput,
  type ResponseOf,
  responseCodec,
  responseHeaderVersion,
} from '../../src/protocol/index.ts'
import type { RecordsView } from '../../src/protocol/records-field.ts'
import type { Peer } from '../support/memory-network.ts'
import { RecordingLogger } from '../support/test-broker.ts'
import { requestFrame } from '../support/test-client.ts'
import type { SimMachine } from './sim-machine.ts'
import { SimWorld, type WorldOptions } from './sim-world.ts'

export const dataDirectory = '/srv/kafka/data'
const brokerConfigs = {
  'log.dirs': dataDirectory,
  'log.retention.check.interval.ms': '5000',
  'log.cleaner.enable': 'false',
  'offsets.topic.num.partitions': '1',
}
/** Virtual time within which everything is answered, whatever the disk does. */
const patienceMs = 120_000
const stepMs = 50
/** Times that a start or stop is let come to rest before it counts as hanging; after the first some, time passes. */
const restsMax = 10_000
const restsWithoutTime = 20

/** The machine crashed: whoever waits, waits no longer. */
export class Crashed extends Error {}

/** One run of the broker on a machine. */
export class SimProcess {
  readonly world: SimWorld
  readonly logger: RecordingLogger
  private readonly broker: Broker

  private constructor(world: SimWorld, logger: RecordingLogger, broker: Broker) {
    this.world = world
    this.logger = logger
    this.broker = broker
  }

  /** Rejects with `Crashed`, or with what the broker says where it does not start; the process is then abandoned. */
  static async start(machine: SimMachine, options: WorldOptions): Promise<SimProcess> {
    const world = new SimWorld(machine, options)
    const logger = new RecordingLogger()
    const { config } = readBrokerConfig(new Map(Object.entries(brokerConfigs)))
    try {
      const broker = await within(world, startBroker(config, world, logger))
      await imported(world, broker.loadHandlers())
      return new SimProcess(world, logger, broker)
    } catch (error) {
      world.abandon()
      throw error
    }
  }

  /** One request and its answer, over a connection of its own. The world goes on in `during`. */
  async call<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<ResponseOf<A>> {
    return (await this.exchange(api, version, body)).body
  }

  async exchange<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<Reply<ResponseOf<A>>> {
    const { network } = this.world
    const frame = await new Promise<Uint8Array>((resolve, reject) => {
      const connection = network.connect(id => new OneReply(this.world, id, resolve, reject))
      network.deliver([{ connection, frame: requestFrame(api, version, 1, body) }])
    })
    const reader = new Reader(frame)
    decodeResponseHeader(reader, responseHeaderVersion(api, version))
    const decoded = responseCodec(api, version).decode(reader) as ResponseOf<A>
    reader.expectEnd()
    return {
      body: decoded,
      records: view => (view === null ? new Uint8Array() : frame.slice(view.position, view.position + view.length)),
    }
  }

  /** Lets the world go on until `work` is done. Rejects with `Crashed` once the machine has crashed. */
  async during<T>(work: Promise<T>): Promise<T> {
    const { machine, time } = this.world
    const state = stateOf(work)
    for (let waitedMs = 0; waitedMs <= patienceMs; waitedMs += stepMs) {
      if (waitedMs === 0) await time.settle()
      else await time.advance(stepMs)
      if (state.done) return await work
      if (machine.crashed) throw new Crashed()
    }
    throw new Error(`a request was not answered within ${patienceMs} ms`)
  }

  async advance(ms: number): Promise<void> {
    await this.world.time.advance(ms)
    if (this.world.machine.crashed) throw new Crashed()
  }

  /** A clean stop; the engine is closed with it. */
  async stop(): Promise<void> {
    await within(this.world, this.broker.stop())
    this.world.abandon()
  }

  /** The process dies; a last turn of what had begun is taken, and nobody hears of it. */
  async kill(): Promise<void> {
    await this.world.time.settle()
    this.world.abandon()
    this.world.machine.locks.clear()
  }
}

/** Waits for `work` while the world goes on. */
async function within<T>(world: SimWorld, work: Promise<T>): Promise<T> {
  const state = stateOf(work)
  for (let rests = 0; !state.done && !world.machine.crashed; rests++) {
    if (rests > restsMax) throw new Error('the broker neither starts nor stops')
    if (rests > restsWithoutTime) await world.time.advance(1)
    else await world.time.settle()
  }
  if (world.machine.crashed) {
    await world.time.settle()
    throw new Crashed()
  }
  return await work
}

/** Modules come in real time, and the world stands still meanwhile. */
async function imported(world: SimWorld, work: Promise<void>): Promise<void> {
  const state = stateOf(work)
  while (!state.done && !world.machine.crashed) await world.time.settle()
  if (world.machine.crashed) throw new Crashed()
  await work
}

function stateOf(work: Promise<unknown>): { done: boolean } {
  const state = { done: false }
  const end = () => {
    state.done = true
  }
  work.then(end, end)
  return state
}

export interface Reply<Body> {
  readonly body: Body
  records(view: RecordsView | null): Uint8Array
}

/** A connection that hangs up after its first reply. */
class OneReply implements Peer {
  readonly connection: number
  private readonly world: SimWorld
  private readonly resolve: (frame: Uint8Array) => void
  private readonly reject: (error: Error) => void

  constructor(
    world: SimWorld,
    connection: number,
    resolve: (frame: Uint8Array) => void,
    reject: (error: Error) => void,
  ) {
    this.world = world
    this.connection = connection
    this.resolve = resolve
    this.reject = reject
  }

  onBytes(bytes: Uint8Array): void {
    if (this.world.machine.crashed) return // The process was dead before it could send this.
    this.resolve(bytes.slice(4))
    this.world.timers.soon(() => this.world.network.hangUp(this.connection))
  }

  onClosed(): void {
    if (!this.world.machine.crashed) this.reject(new Error('the broker closed the connection'))
  }
}
