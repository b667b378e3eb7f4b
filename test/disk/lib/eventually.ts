import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const limitMs = 30_000

/** Resolves once `check` holds; what it throws counts as not yet. */
export async function eventually(what: string, check: () => boolean): Promise<void> {
  const deadline = performance.now() + limitMs
  const holds = () => {
    try {
      return check()
    } catch {
      return false
    }
  }
  while (!holds()) {
    assert.ok(performance.now() < deadline, `still not so after ${limitMs} ms: ${what}`)
    await pause(10)
  }
}

/** A broker takes its reserve a second after its start. */
export const reserveTaken = (dataDirectory: string): Promise<void> =>
  eventually('the reserve is taken', () => statSync(join(dataDirectory, '.reserve')).size > 0)

/** The broker has noted, on the disk, that this partition is durable at least up to `offset`. */
export const checkpointed = (dataDirectory: string, topic: string, partition: number, offset: number): Promise<void> =>
  eventually(`the recovery point of ${topic}-${partition} is ${offset}`, () => {
    const lines = readFileSync(join(dataDirectory, 'recovery-point-offset-checkpoint'), 'utf8').split('\n')
    const [, point] = /^\S+ \d+ (\d+)$/.exec(lines.find(line => line.startsWith(`${topic} ${partition} `)) ?? '') ?? []
    return Number(point) >= offset
  })
