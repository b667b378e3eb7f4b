import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type BrokerOptions, BrokerProcess } from './broker-process.ts'
import { atEnd } from './clean-up.ts'
import { DiskClient } from './client.ts'
import { Ledger } from './ledger.ts'

/** 20 KB: some twenty of them fill a segment of the least size that a broker takes. */
export const value = 'v'.repeat(20_000)

/** A broker with two topics, `a` and `other`, that have some records each. */
export class Scene {
  readonly directory: string
  broker!: BrokerProcess
  client!: DiskClient
  ledger: Ledger
  private readonly t: TestContext
  private readonly options: BrokerOptions

  private constructor(t: TestContext, directory: string, options: BrokerOptions) {
    this.t = t
    this.directory = directory
    this.options = options
    this.ledger = new Ledger(undefined as never)
  }

  static async set(t: TestContext, options: BrokerOptions = {}, records = 5, directory?: string): Promise<Scene> {
    const home = mkdtempSync(join(tmpdir(), 'millrace-scene-'))
    atEnd(t, () => rmSync(home, { recursive: true, force: true }))
    const scene = new Scene(t, directory ?? home, options)
    await scene.start()
    for (const topic of ['a', 'other']) {
      await scene.client.createTopic(topic)
      for (let i = 0; i < records; i++) await scene.ledger.produce(topic, `${i} ${value}`)
    }
    return scene
  }

  /** The broker on the same directory again; promises stay. */
  async start(): Promise<void> {
    this.broker = await BrokerProcess.start(this.t, this.directory, this.options)
    this.client = new DiskClient(this.broker)
    this.ledger = this.ledger.with(this.client)
  }

  /** A start that has to fail; what it said. */
  refused(): Promise<string> {
    return BrokerProcess.refused(this.t, this.directory, this.options)
  }

  /** The next start takes the machine to have gone down meanwhile. */
  asAfterReboot(): void {
    rmSync(this.file('.boot_id'))
  }

  file(name: string): string {
    return join(this.directory, name)
  }
}
