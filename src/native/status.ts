/**
 * What native code answers: the table of `native/core/base/status.h`, number for number (a test compares the two). The
 * numbers are part of the addon's interface and are never reused.
 */
export const StatusCode = {
  ok: 0,
  invalidArgument: 1,
  noSpace: 2,
  ioError: 3,
  tooManyFiles: 4,
  notFound: 5,
  exists: 6,
  locked: 7,
  closed: 8,
  corrupt: 9,
  noMemory: 10,
  failed: 11,
  addressInUse: 12,
  tooManyConnections: 13,
  wouldBlock: 14,
  stopped: 15,
  offsetOutOfRange: 20,
  batchCorrupt: 30,
  batchInvalid: 31,
  batchTooLarge: 32,
  batchMagic: 33,
  batchTimestamp: 34,
  batchCompression: 35,
  batchLargerThanSegment: 36,
} as const
export type StatusName = keyof typeof StatusCode
export type StatusCode = (typeof StatusCode)[StatusName]

const nameByCode = new Map<number, StatusName>(
  Object.entries(StatusCode).map(([name, code]) => [code, name as StatusName]),
)

export const statusName = (code: number): StatusName | undefined => nameByCode.get(code)
