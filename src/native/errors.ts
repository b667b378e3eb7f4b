import { constants } from 'node:os'
import { MillraceError } from '../base/error.ts'
import { type StatusName, statusName } from './status.ts'

/** What happened, and what the reader of the message can do about it. */
const explanations: Record<StatusName, string> = {
  ok: 'nothing failed',
  invalidArgument: 'an argument is outside what the addon accepts; check the values that were passed',
  noSpace: 'the disk is full or its reserve would be used; free space or delete old segments, then try again',
  ioError: 'the device or file system reported an error; look at the kernel log (dmesg) before using the disk again',
  tooManyFiles: 'no file descriptors are left; raise the limit (ulimit -n, LimitNOFILE) or lower max.connections',
  notFound: 'there is no such file or directory; check the path',
  exists: 'it is there already; choose another name or remove it first',
  locked: 'another process holds the data directory; stop that process or choose another directory',
  closed: 'it was closed; open it again before using it',
  corrupt:
    'the stored bytes contradict their checksum or each other; stop the broker and run `millrace log verify` on that directory, then `millrace log repair`, or restore it from a replica or a backup',
  noMemory: 'memory or the number of mappings ran out; free memory or raise vm.max_map_count',
  failed:
    'the log failed earlier and accepts nothing more; find the first error in the log and restart on a sound disk',
  addressInUse: 'another process listens on this address; stop it or choose another port',
  tooManyConnections: 'the limit of connections is reached; close some or raise max.connections',
  wouldBlock: 'what was asked for is not in memory; let a thread that may wait read it',
  stopped: 'it was asked to end before it was done; start it again when that is wanted',
  offsetOutOfRange: 'the offset is outside the log; ask for an offset between its start and its end',
  batchCorrupt: 'the length or the checksum of the record batch does not hold; send it again',
  batchInvalid: 'the records contradict the header of their batch, or lack what the topic requires',
  batchTooLarge: 'the record batch is larger than max.message.bytes; send smaller batches or raise the limit',
  batchMagic: 'only record batches of format 2 are accepted; use a client made for Kafka 0.11 or later',
  batchTimestamp: "a record's timestamp is outside the bounds the topic sets (message.timestamp.before/after.max.ms)",
  batchCompression: 'the compression codec is not known; use none, gzip, snappy, lz4 or zstd',
  batchLargerThanSegment: 'the record batch is larger than segment.bytes; send smaller batches or raise the limit',
}

/** Where the system says more than the status, by errno's name. */
const systemExplanations: Record<string, string> = {
  EACCES: 'this process has no permission to do that there; change the owner or the mode of the path, or the user',
  EPERM: 'this process has no permission to do that there; change the owner or the mode of the path, or the user',
  ENOTDIR: 'a part of the path is a file, and no directory; check the path',
  EROFS: 'the file system is mounted for reading only; mount it for writing or choose another directory',
}

/** A failure that native code reported. */
export class NativeError extends MillraceError {
  /** The status number, as in `status.ts`. */
  readonly nativeCode: number
  /** The system's errno when a system call failed, else 0. */
  readonly errno: number

  constructor(code: string, message: string, nativeCode: number, errno: number) {
    super(code, message)
    this.nativeCode = nativeCode
    this.errno = errno
  }
}

/** `noSpace` becomes `MILLRACE_NO_SPACE`: what programs compare. */
export const errorCode = (name: StatusName): string =>
  `MILLRACE_${name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`

/** The error for a status that is not ok; `action` says what was tried, on what ("open the log in /data/t-0"). */
export function statusError(action: string, status: number, systemError = 0): NativeError {
  const name = statusName(status)
  const systemName = systemError === 0 ? '' : systemErrorName(systemError)
  const explanation =
    name === undefined
      ? `the addon answered with the unknown status ${status}`
      : (systemExplanations[systemName] ?? explanations[name])
  const system = systemName === '' ? '' : ` (${systemName})`
  return new NativeError(
    name === undefined ? 'MILLRACE_UNKNOWN_STATUS' : errorCode(name),
    `Cannot ${action}: ${explanation}${system}.`,
    status,
    systemError,
  )
}

/** Throws when a status is not ok. */
export function checkStatus(action: string, status: number, systemError = 0): void {
  if (status !== 0) throw statusError(action, status, systemError)
}

/** What a rejected native promise carries (see native/binding/status_to_js.cc), said in this action's terms. */
export function fromNative(action: string, failure: unknown): unknown {
  if (!(failure instanceof Error)) return failure
  const { nativeCode, errno } = failure as Error & { nativeCode?: unknown; errno?: unknown }
  if (typeof nativeCode !== 'number') return failure
  return statusError(action, nativeCode, typeof errno === 'number' ? errno : 0)
}

function systemErrorName(systemError: number): string {
  const named = Object.entries(constants.errno).find(([, value]) => value === systemError)
  return named?.[0] ?? `errno ${systemError}`
}
