import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { BrokerUnderTest } from '../compat/lib/broker.ts'

/** The broker's resident memory; NaN where its process is not ours or is a JVM, whose heap says nothing. */
export const residentMb = async (broker: BrokerUnderTest): Promise<number> => {
  if (broker.kind !== 'millrace') return Number.NaN
  const status = await readFile(`/proc/${broker.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
}

export const assertGrewLessThan = async (limitMb: number, beforeMb: number, broker: BrokerUnderTest): Promise<void> => {
  const grownMb = (await residentMb(broker)) - beforeMb
  assert.ok(Number.isNaN(grownMb) || grownMb < limitMb, `the broker grew by ${grownMb.toFixed(0)} MB`)
}
