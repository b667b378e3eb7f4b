import type { TurnShare } from './turn-share.ts'

/** Names sorted at once, or merged before the share is asked. */
const run = 512

/** Names from `from` on, each once, in the order of their UTF-16 code units; other work gets its turn meanwhile. */
export async function sortInSlices(names: readonly string[], from: string, share: TurnShare): Promise<string[]> {
  let runs: string[][] = []
  for (let at = 0; at < names.length; at += run) {
    const some = names.slice(at, at + run).filter(name => name >= from)
    runs.push(some.sort())
    const due = share.spend(some.length)
    if (due !== undefined) await due
  }
  while (runs.length > 1) {
    const merged: string[][] = []
    for (let at = 0; at < runs.length; at += 2) merged.push(await merge(runs[at]!, runs[at + 1] ?? [], share))
    runs = merged
  }
  return withoutRepeats(runs[0] ?? [])
}

async function merge(a: readonly string[], b: readonly string[], share: TurnShare): Promise<string[]> {
  const merged: string[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    for (let room = run; room > 0 && (i < a.length || j < b.length); room--)
      merged.push(j >= b.length || (i < a.length && a[i]! <= b[j]!) ? a[i++]! : b[j++]!)
    const due = share.spend(run / 4)
    if (due !== undefined) await due
  }
  return merged
}

const withoutRepeats = (sorted: readonly string[]): string[] => sorted.filter((name, at) => name !== sorted[at - 1])
