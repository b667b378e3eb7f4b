import { elsewhereCores, type LoadResult, type Percentiles } from './loadgen.ts'
import type { Run } from './measure.ts'
import { figure } from './spread.ts'

/** A figure of a run, with what it is called in the table and in the JSON. Undefined where a side cannot tell it. */
export interface Metric {
  readonly key: string
  readonly title: string
  /** The figure in a sentence; by default it stands before its title. */
  says?(text: string): string
  of(run: Run): number | undefined
}

const perSecond = (load: LoadResult, amount: number): number => amount / load.seconds
const brokerCpu = (load: LoadResult, scale: number, per: number): number | undefined =>
  load.brokerCpuSeconds === undefined || per === 0 ? undefined : (load.brokerCpuSeconds * scale) / per

export const metrics = {
  requests: { key: 'requestsPerSecond', title: 'requests/s', of: ({ load }) => perSecond(load, load.requests) },
  transactions: {
    key: 'transactionsPerSecond',
    title: 'transactions/s',
    of: ({ load }) => perSecond(load, load.requests),
  },
  records: { key: 'recordsPerSecond', title: 'records/s', of: ({ load }) => perSecond(load, load.records) },
  megabytes: { key: 'megabytesPerSecond', title: 'MB/s', of: ({ load }) => perSecond(load, load.bytes / 1e6) },
  /** By all consumers in the generator together. */
  megabytesRead: {
    key: 'megabytesReadPerSecond',
    title: 'MB/s read',
    of: ({ load }) => (load.readBytes === undefined ? undefined : perSecond(load, load.readBytes / 1e6)),
  },
  /** By the other client, which reads what is on the disk only. */
  megabytesCold: {
    key: 'megabytesColdPerSecond',
    title: 'MB/s cold',
    of: ({ cold }) => (cold === undefined ? undefined : cold.bytes / 1e6 / cold.seconds),
  },
  /** Of what a program gets that reads the same files and does nothing else. */
  shareOfPlainRead: {
    key: 'shareOfPlainRead',
    title: '× plain read',
    of: ({ cold, plain }) =>
      cold === undefined || plain === undefined ? undefined : cold.bytes / cold.seconds / (plain.bytes / plain.seconds),
  },
  /** Read by the cleaner while nothing else used the machine. */
  megabytesCompacted: {
    key: 'megabytesCompactedPerSecond',
    title: 'MB/s compacted alone',
    of: ({ compaction }) =>
      compaction === undefined ? undefined : compaction.alone.bytesRead / 1e6 / compaction.alone.seconds,
  },
  megabytesCompactedBeside: {
    key: 'megabytesCompactedBesidePerSecond',
    title: 'MB/s compacted beside',
    of: ({ compaction }) =>
      compaction === undefined ? undefined : compaction.beside.bytesRead / 1e6 / compaction.beside.seconds,
  },
  /** Of the load's time: below 1, the load's figures are partly those of a load alone. */
  compactedShare: {
    key: 'compactedShare',
    title: '× time compacting',
    of: ({ compaction, load }) =>
      compaction === undefined ? undefined : Math.min(1, compaction.beside.seconds / load.seconds),
  },
  cpuPerGigabyte: { key: 'brokerCpuSecondsPerGB', title: 's/GB', of: ({ load }) => brokerCpu(load, 1e9, load.bytes) },
  cpuPerRequest: {
    key: 'brokerCpuMicrosPerRequest',
    title: 'µs/request',
    of: ({ load }) => brokerCpu(load, 1e6, load.requests),
  },
  cpuPerTransaction: {
    key: 'brokerCpuMicrosPerTransaction',
    title: 'µs/transaction',
    of: ({ load }) => brokerCpu(load, 1e6, load.requests),
  },
  /** Of its transactions, those that were told to come back while the markers of the last one were written. */
  backoffs: {
    key: 'backoffsPerTransaction',
    title: 'backoffs each',
    of: ({ load }) => (load.backoffs === undefined || load.requests === 0 ? undefined : load.backoffs / load.requests),
  },
  brokerCores: {
    key: 'brokerCores',
    title: 'cores',
    of: ({ load }) => brokerCpu(load, 1, load.seconds),
  },
  generatorCores: {
    key: 'generatorCores',
    title: "generator's",
    of: ({ load }) => load.generatorCpuSeconds / load.seconds,
  },
  /** Other processes and the kernel's own threads: much of it, and the row measures the neighbours. */
  elsewhereCores: {
    key: 'elsewhereCores',
    title: 'elsewhere',
    of: ({ load, cold }) => elsewhereCores(load, cold?.cpuSeconds),
  },
  /** Open loop: 1 when everything that came due was answered and read. */
  keptUp: {
    key: 'keptUp',
    title: 'kept up',
    says: text => (text === '1' ? 'keeps up' : 'falls behind'),
    of: ({ load }) => (load.keptUp === undefined ? undefined : Number(load.keptUp)),
  },
  resident: { key: 'residentMB', title: 'MB', of: ({ memory }) => memory?.resident },
  anonymous: { key: 'anonymousMB', title: 'MB unmapped', of: ({ memory }) => memory?.unmapped },
  /** The most at any second of the run, warm-up included. */
  anonymousMost: {
    key: 'anonymousMostMB',
    title: 'most MB unmapped',
    of: ({ samples }) => {
      const sizes = samples.flatMap(({ memory }) => (memory === undefined ? [] : [memory.unmapped]))
      return sizes.length === 0 ? undefined : Math.max(...sizes)
    },
  },
  /** All that went to the device until everything was on it, over all that was sent. Others' writes are in it. */
  deviceBytes: {
    key: 'deviceBytesPerByte',
    title: 'device bytes/byte',
    of: ({ deviceBytes, load }) =>
      deviceBytes === undefined || load.sentBytes === undefined ? undefined : deviceBytes / load.sentBytes,
  },
  /** The median p99.9 of the later half of the slices over that of the earlier half. */
  growth: {
    key: 'p99_9Growth',
    title: 'p99.9 growth',
    of: ({ load }) => growthOf((load.slices ?? []).map(({ micros }) => micros.p99_9)),
  },
} satisfies Record<string, Metric>

const medianOf = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  return (at(Math.floor((sorted.length - 1) / 2)) + at(Math.ceil((sorted.length - 1) / 2))) / 2
}

/** Halves that share no slice; undefined where there are not two slices, or nothing to divide by. */
export const growthOf = (slices: readonly number[]): number | undefined => {
  const half = Math.floor(slices.length / 2)
  if (half === 0) return undefined
  const earlier = medianOf(slices.slice(0, half))
  return earlier === 0 ? undefined : medianOf(slices.slice(-half)) / earlier
}

export type Percentile = 'p50' | 'p99' | 'p99_9' | 'p99_99' | 'max'

/** Of how many times one may be expected to lie beyond the percentile. */
const samplesNeeded: Readonly<Record<Percentile, number>> = { p50: 1, p99: 100, p99_9: 1_000, p99_99: 10_000, max: 1 }

const millisAt = (times: Percentiles | undefined, percentile: Percentile): number | undefined =>
  times === undefined || times.count < samplesNeeded[percentile] ? undefined : times[percentile] / 1e3

const named = (percentile: Percentile): string => percentile.replace('_', '.')

/** Of the answers' times, in milliseconds; undefined where there were too few to have such a percentile. */
export const latency = (percentile: Percentile): Metric => ({
  key: `${percentile}Millis`,
  title: `${named(percentile)} ms`,
  says: text => `${named(percentile)} of ${text} ms`,
  of: ({ load }) => millisAt(load.ackMicros ?? load.fetchMicros, percentile),
})

/** From sending EndTxn to its answer. */
export const commitLatency = (percentile: Percentile): Metric => ({
  key: `commit${percentile[0]?.toUpperCase()}${percentile.slice(1)}Millis`,
  title: `commit ${named(percentile)} ms`,
  says: text => `commit ${named(percentile)} of ${text} ms`,
  of: ({ load }) => millisAt(load.ackMicros, percentile),
})

/** From a transaction's first request to the answer of its last. */
export const wholeTransaction = (percentile: Percentile): Metric => ({
  key: `transaction${percentile[0]?.toUpperCase()}${percentile.slice(1)}Millis`,
  title: `whole ${named(percentile)} ms`,
  says: text => `whole transaction ${named(percentile)} of ${text} ms`,
  of: ({ load }) => millisAt(load.transactionMicros, percentile),
})

/** Over the same load's on the same broker when it was alone there. */
export const timesAlone = (percentile: Percentile): Metric => ({
  key: `${percentile}TimesAlone`,
  title: `${named(percentile)} × alone`,
  of: ({ load, alone }) => {
    const [beside, before] = [load, alone].map(each => millisAt(each?.ackMicros, percentile))
    return beside === undefined || before === undefined ? undefined : beside / before
  },
})

/** From when a record was due to when a consumer had it. */
export const endToEnd = (percentile: Percentile): Metric => ({
  key: `endToEnd${percentile[0]?.toUpperCase()}${percentile.slice(1)}Millis`,
  title: `end to end ${named(percentile)} ms`,
  says: text => `end to end ${named(percentile)} of ${text} ms`,
  of: ({ load }) => millisAt(load.endToEndMicros, percentile),
})

export const sayMetric = (metric: Metric, value: number | undefined): string => {
  const text = value === undefined ? 'unknown' : figure(value)
  return metric.says?.(text) ?? `${text} ${metric.title}`
}
