/**
 * What a suite saw of each client, for the page that run.mjs writes. A suite keeps it in the folder that
 * MILLRACE_COMPAT_REPORT names, as NAME.json.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { RunningClient } from './clients.ts'

interface ClientReport {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly groupsOnly: boolean
  /** By subject, such as `write gzip`, `read kcat`, `admin createTopic`. */
  readonly outcomes: Record<string, 'passed' | 'failed'>
}

export class Report {
  private readonly clients = new Map<string, ClientReport>()

  constructor(private readonly suite: string) {}

  /** Declares a test of one subject of one client, and keeps how it ends. */
  tried(client: RunningClient, subject: string, title: string, timeoutMs: number, body: () => Promise<void>): void {
    const { outcomes } = this.of(client)
    // A test that never runs, or hangs, has not passed.
    outcomes[subject] = 'failed'
    test(`${client.kind.name} ${client.version}: ${title}`, { timeout: timeoutMs }, async () => {
      await body()
      outcomes[subject] = 'passed'
    })
  }

  async write(): Promise<void> {
    const folder = process.env.MILLRACE_COMPAT_REPORT
    if (folder === undefined) return
    await writeFile(join(folder, `${this.suite}.json`), JSON.stringify([...this.clients.values()]))
  }

  private of({ kind: { id, name, limits }, version }: RunningClient): ClientReport {
    const known = this.clients.get(id)
    if (known !== undefined) return known
    const report: ClientReport = { id, name, version, groupsOnly: limits.groupsOnly === true, outcomes: {} }
    this.clients.set(id, report)
    return report
  }
}
