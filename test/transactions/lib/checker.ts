import type { History, Seen, WrittenTransaction } from './history.ts'

/** What is in the partitions in the end, read from their beginning while nobody writes. */
export interface FinalLogs {
  /** By partition: what readers of committed records get. */
  readonly committed: readonly (readonly Seen[])[]
  /** What the others get. */
  readonly all: readonly (readonly Seen[])[]
}

/** What one reader saw of a partition on its way, in the order in which it saw it. */
export interface Reading {
  readonly reader: string
  readonly committedOnly: boolean
  readonly partition: number
  readonly seen: readonly Seen[]
}

const shown = 5

/**
 * Holds a history to what exactly-once promises, and names each promise that was broken: nothing committed is lost,
 * doubled or out of order, nothing aborted is read, a transaction is seen in all of its partitions or in none, who reads
 * everything gets what is committed at the same offsets, and no reader ever saw what is not there in the end.
 */
export function check(history: History, logs: FinalLogs, readings: readonly Reading[]): string[] {
  const problems = [...history.violations]
  const report = (what: string, which: readonly string[]) => {
    if (which.length === 0) return
    const more = which.length > shown ? ` and ${which.length - shown} more` : ''
    problems.push(`${what}: ${which.slice(0, shown).join(', ')}${more}`)
  }
  for (const [kind, partitions] of Object.entries(logs)) {
    for (const [partition, records] of partitions.entries()) {
      const where = `in partition ${partition} (${kind})`
      report(`written twice ${where}`, repeated(records))
      report(`written by nobody, or elsewhere ${where}`, foreign(history, partition, records))
      report(`out of order ${where}`, disordered(history, records))
    }
  }
  for (const [partition, records] of logs.committed.entries()) {
    const all = new Set(logs.all[partition]!.map(name))
    report(
      `kept from who reads everything in partition ${partition}`,
      records.map(name).filter(each => !all.has(each)),
    )
  }
  const present = logs.committed.map(records => new Set(records.map(({ value }) => value)))
  const lost: string[] = []
  const aborted: string[] = []
  const torn: string[] = []
  for (const transaction of history.transactions) {
    const there = transaction.writes.filter(({ partition, value }) => present[partition]!.has(value))
    switch (transaction.outcome) {
      case 'committed':
        if (there.length < transaction.writes.length) lost.push(describe(transaction, there.length))
        break
      case 'unknown':
        if (there.length > 0 && there.length < transaction.writes.length) torn.push(describe(transaction, there.length))
        break
      default:
        if (there.length > 0) aborted.push(describe(transaction, there.length))
    }
  }
  report('committed and lost', lost)
  report('never committed and read', aborted)
  report('torn', torn)
  for (const reading of readings) problems.push(...checkReading(reading, logs))
  return problems
}

/** Whatever consumes and produces in transactions has made `make` of each record once, in the order of its partition. */
export function checkMoved(
  from: readonly (readonly Seen[])[],
  to: readonly (readonly Seen[])[],
  make: (value: string) => string,
): string[] {
  return from.flatMap((records, partition) => {
    const expected = records.map(({ value }) => make(value))
    const got = to[partition]!.map(({ value }) => value)
    const at = expected.findIndex((value, i) => value !== got[i])
    if (at >= 0) return [`moved in partition ${partition}: ${got[at] ?? 'nothing'} where ${expected[at]} belongs`]
    return got.length > expected.length ? [`moved in partition ${partition}: ${got[expected.length]} too much`] : []
  })
}

const describe = ({ name, writes }: WrittenTransaction, there: number): string =>
  `${name} (${there} of ${writes.length} there)`

function repeated(records: readonly Seen[]): string[] {
  const seen = new Set<string>()
  return records
    .filter(({ value }) => seen.size === seen.add(value).size)
    .map(({ value, offset }) => `${value} @${offset}`)
}

function foreign(history: History, partition: number, records: readonly Seen[]): string[] {
  const expected = (value: string) =>
    history.writerOf(value)?.writes.some(write => write.value === value && write.partition === partition) === true
  return records.filter(({ value }) => !expected(value)).map(({ value, offset }) => `${value} @${offset}`)
}

/** Each writer's values come in the order in which it wrote them. */
function disordered(history: History, records: readonly Seen[]): string[] {
  const order = new Map<string, number>()
  let next = 0
  for (const { writes } of history.transactions) for (const { value } of writes) order.set(value, next++)
  const last = new Map<string, number>()
  const found: string[] = []
  for (const { value, offset } of records) {
    const writer = history.writerOf(value)?.writer
    const at = order.get(value)
    if (writer === undefined || at === undefined) continue
    if (at < (last.get(writer) ?? -1)) found.push(`${value} @${offset}`)
    last.set(writer, at)
  }
  return found
}

/** A reader saw, offset by offset, what is there in the end, without a gap. */
function checkReading({ reader, committedOnly, partition, seen }: Reading, logs: FinalLogs): string[] {
  const first = seen[0]
  const last = seen[seen.length - 1]
  if (first === undefined || last === undefined) return []
  const who = `${reader}, partition ${partition}`
  for (let i = 1; i < seen.length; i++) {
    if (seen[i]!.offset <= seen[i - 1]!.offset) return [`${who}: read ${seen[i]!.offset} after ${seen[i - 1]!.offset}`]
  }
  const there = (committedOnly ? logs.committed : logs.all)[partition]!.filter(
    ({ offset }) => offset >= first.offset && offset <= last.offset,
  )
  for (let i = 0; i < Math.max(there.length, seen.length); i++) {
    const [expected, got] = [there[i], seen[i]]
    if (expected?.offset === got?.offset && expected?.value === got?.value) continue
    return [`${who}: saw ${name(got)} where ${name(expected)} is in the end`]
  }
  return []
}

const name = (seen: Seen | undefined): string => (seen === undefined ? 'nothing' : `${seen.value} @${seen.offset}`)
