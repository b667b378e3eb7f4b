import { sortInSlices } from '../base/sort-in-slices.ts'
import type { TurnShare } from './turn-share.ts'

/** Names from `from` on, each once, in the order of their UTF-16 code units; other work gets its turn meanwhile. */
export async function sortNames(names: readonly string[], from: string, share: TurnShare): Promise<string[]> {
  const steps = sortInSlices(namesFrom(names, from), byCodeUnits)
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) {
    const due = share.spend(step.value)
    if (due !== undefined) await due
  }
  return step.value.filter((name, at) => name !== step.value[at - 1])
}

function* namesFrom(names: readonly string[], from: string): Generator<string> {
  for (const name of names) if (name >= from) yield name
}

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
