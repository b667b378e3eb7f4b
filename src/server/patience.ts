import type { Clock } from '../base/world.ts'

/** What is to be known of a connection to tell whether it can wait. */
export interface Patient {
  readonly id: number
  /** As the network was told. */
  patient: boolean
  /** When its present second of unhurried requests began, and how many it has had in it. */
  secondMs: number
  unhurried: number
}

/** By key: their tables are not evaluated before somebody needs them. */
const offsetCommit = 8
const heartbeat = 12
const consumerGroupHeartbeat = 68

const windowMs = 1_000
/** Unhurried requests of all connections in a second from which on waiting for more of them saves more than it costs. */
const manyRequests = 400
/** Of one connection: who sends more has somebody who waits for each answer before the next. */
const fewRequests = 8

/**
 * Which connections can wait for others. A consumer's connection to its coordinator carries a commit or a heartbeat now
 * and then, which nobody waits for; thousands of them, each waking the loop alone, cost far more than their requests. While
 * there are many, those that send nothing else are read together, some milliseconds later.
 */
export class Patience {
  private readonly clock: Clock
  private readonly tell: (connection: number, patient: boolean) => void
  private beganMs = Number.NEGATIVE_INFINITY
  private count = 0
  /** Of the last window. */
  private many = false

  constructor(clock: Clock, tell: (connection: number, patient: boolean) => void) {
    this.clock = clock
    this.tell = tell
  }

  /** Called with each request. */
  note(connection: Patient, apiKey: number): void {
    const unhurried = apiKey === offsetCommit || apiKey === heartbeat || apiKey === consumerGroupHeartbeat
    if (unhurried) this.set(connection, this.noteUnhurried(connection))
    else if (connection.patient) this.set(connection, false)
    else connection.unhurried = 0
  }

  private noteUnhurried(connection: Patient): boolean {
    const nowMs = this.clock.monotonicMs()
    if (nowMs - this.beganMs >= windowMs) {
      // After a pause the last window tells nothing.
      this.many = this.count >= manyRequests && nowMs - this.beganMs < 2 * windowMs
      this.beganMs = nowMs
      this.count = 0
    }
    this.count++
    if (nowMs - connection.secondMs >= windowMs) {
      connection.secondMs = nowMs
      connection.unhurried = 0
    }
    connection.unhurried++
    return (this.many || this.count >= manyRequests) && connection.unhurried <= fewRequests
  }

  private set(connection: Patient, patient: boolean): void {
    if (connection.patient === patient) return
    connection.patient = patient
    this.tell(connection.id, patient)
  }
}
