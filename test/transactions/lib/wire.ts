import type { Api, RequestInput, ResponseOf } from '../../../src/protocol/index.ts'
import type { RecordsView } from '../../../src/protocol/records-field.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'

/** The request was sent, or not, and nobody will ever say what became of it. */
export class ConnectionLost extends Error {}

/** The client that asks has been killed: it does nothing any more, and learns nothing. */
export class Killed extends Error {}

export interface Answer<Body> {
  readonly body: Body
  records(view: RecordsView | null): Uint8Array
}

/** One connection to the broker; requests may follow each other without waiting for answers. */
export interface Wire {
  request<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<Answer<ResponseOf<A>>>
  close(): void
}

/** Where clients live: over sockets in real time, or in a simulation. */
export interface Surroundings {
  readonly random: SeededRandom
  /** Rejects with ConnectionLost when there is nobody to connect to. */
  connect(): Promise<Wire>
  pause(ms: number): Promise<void>
  nowMs(): number
}

/** Surroundings that end: whoever still asks anything of them is killed. */
export class EndingSurroundings implements Surroundings {
  readonly random: SeededRandom
  private readonly at: Surroundings
  private over = false

  constructor(at: Surroundings) {
    this.at = at
    this.random = at.random
  }

  end(): void {
    this.over = true
  }

  async connect(): Promise<Wire> {
    this.check()
    return await this.at.connect()
  }

  async pause(ms: number): Promise<void> {
    this.check()
    await this.at.pause(ms)
    this.check()
  }

  nowMs(): number {
    return this.at.nowMs()
  }

  private check(): void {
    if (this.over) throw new Killed('time is over')
  }
}

/** A client's connection, made again whenever it was lost. */
export class Line {
  private readonly at: Surroundings
  private wire: Promise<Wire> | undefined
  private dead = false

  constructor(at: Surroundings) {
    this.at = at
  }

  /** One attempt. Whoever loses the connection makes the next request use another one. */
  async request<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<Answer<ResponseOf<A>>> {
    this.check()
    this.wire ??= this.at.connect()
    const { wire } = this
    try {
      const answer = await (await wire).request(api, version, body)
      this.check()
      return answer
    } catch (error) {
      if (this.wire === wire) this.hangUp()
      this.check()
      throw error
    }
  }

  async pause(ms: number): Promise<void> {
    await this.at.pause(ms)
    this.check()
  }

  hangUp(): void {
    this.wire?.then(
      wire => wire.close(),
      () => {},
    )
    this.wire = undefined
  }

  /** kill -9 of the client: what it has sent may still arrive. */
  kill(): void {
    this.dead = true
    this.hangUp()
  }

  private check(): void {
    if (this.dead) throw new Killed('the client was killed')
  }
}
