/** Sorted at once, or merged before other work gets its turn. */
const run = 512

/** The items in their order; those that are equal stay in theirs. Yields what each slice cost, about in microseconds. */
export function* sortInSlices<Item>(
  items: Iterable<Item>,
  compare: (a: Item, b: Item) => number,
): Generator<number, Item[]> {
  let runs: Item[][] = []
  let some: Item[] = []
  for (const item of items) {
    if (some.push(item) < run) continue
    runs.push(some.sort(compare))
    some = []
    yield run
  }
  runs.push(some.sort(compare))
  while (runs.length > 1) {
    const merged: Item[][] = []
    for (let at = 0; at < runs.length; at += 2) merged.push(yield* merge(runs[at]!, runs[at + 1] ?? [], compare))
    runs = merged
  }
  return runs[0]!
}

function* merge<Item>(
  a: readonly Item[],
  b: readonly Item[],
  compare: (a: Item, b: Item) => number,
): Generator<number, Item[]> {
  const merged: Item[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    for (let room = run; room > 0 && (i < a.length || j < b.length); room--)
      merged.push(j >= b.length || (i < a.length && compare(a[i]!, b[j]!) <= 0) ? a[i++]! : b[j++]!)
    yield run / 4
  }
  return merged
}
