import { randomBytes } from 'node:crypto'
import type { Limits } from './clients.ts'
import { sampleRecords } from './records.ts'
import type { SentRecord } from './wire.ts'

const count = 40
/** What every producer's own limit, 1,048,576 bytes with the record's overhead, lets pass. */
const largeBytes = 1_000_000
/** Recent, so that retention by age has no say, and with a millisecond part, so that a lost one would show. */
const firstTimestamp = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000 + 7

/** Records of every shape that a client of these limits can say; or one large one, which no codec makes small. */
export function samplesFor(limits: Limits, large: boolean): SentRecord[] {
  const shapes = limits.textOnly ? textRecords() : sampleRecords(count, firstTimestamp)
  const sayable = shapes.map(({ key, value, headers, timestamp }) => ({
    key: encode(key, limits),
    value: encode(value ?? (key === null && limits.needsKeyOrValue ? Buffer.alloc(0) : null), limits),
    headers: headersFor(headers, limits),
    timestamp,
  }))
  if (!large) return sayable
  const value = Buffer.from(randomBytes(largeBytes / 2).toString('hex')).toString('base64')
  return sayable.slice(0, 1).map(record => ({ ...record, value }))
}

type SampleHeaders = readonly (readonly [name: string, value: Buffer | null])[]

const base64 = (bytes: Buffer | null): string | null => bytes?.toString('base64') ?? null

const encode = (bytes: Buffer | null, { noEmptyBytes }: Limits): string | null =>
  noEmptyBytes && bytes?.length === 0 ? null : base64(bytes)

const headersFor = (headers: SampleHeaders, { noEmptyBytes, noNullHeaders, noRepeatedHeaders }: Limits) => {
  const names = headers.map(([name]) => name)
  return headers
    .filter(([, bytes]) => (bytes === null ? noNullHeaders !== true : bytes.length > 0 || noEmptyBytes !== true))
    .filter(([name], index) => noRepeatedHeaders !== true || names.indexOf(name) === index)
    .map(([name, bytes]) => [name, base64(bytes)] as const)
}

/** Lines: text or null, one set of headers, no times. */
function textRecords() {
  const headers = [['trace', Buffer.from('1')] as const, ['trace', Buffer.from('two')] as const]
  return Array.from({ length: count }, (_, i) => ({
    key: i % 3 === 0 ? null : Buffer.from(`key-${i}`),
    value: i % 5 === 0 && i > 0 ? null : Buffer.from(`größe-${i} `.repeat(1 + i)),
    headers,
    timestamp: null,
  }))
}
