import { parseArgs } from 'node:util'
import { MillraceError } from '../base/error.ts'
import type { TargetFilter } from './target.ts'

export const usage = `Usage: millrace log dump|verify|repair DIR [options]

  DIR is a data directory or the directory of one partition.

  dump     shows batches, records, indexes and the files beside them
  verify   checks every file; exit code 0: nothing is wrong, 1: something is
  repair   mends what can be mended without losing an acknowledged record; what it
           takes away is moved aside. The broker must be stopped.

  --topic NAME              only this topic of a data directory; any number of times
  --partition N             only this partition of each topic; any number of times
  --json                    one JSON object a line

dump:
  --segment OFFSET          only the segment that begins with this offset
  --from OFFSET, --to OFFSET   only batches that hold offsets from here, up to here
  --records                 shows the records of each batch
  --headers                 shows the headers of each record
  --keys, --values text|hex|base64|none   how (default: text)
  --max-bytes N             of each key and value (default: 1024; 0: all)
  --files LIST              of log, index, timeindex, txnindex, snapshot, epochs, metadata,
                            checkpoints, leftovers; comma-separated (default: log)

repair:
  --dry-run                 says what it would do and changes nothing
  --accept-data-loss        also takes out damaged batches, and reports what is lost

Exit codes: 0 done and nothing (more) is wrong, 1 something is wrong or failed, 2 wrong usage.
`

export type Format = 'text' | 'hex' | 'base64' | 'none'
const formats = new Set<string>(['text', 'hex', 'base64', 'none'])

export const dumpableFiles = [
  'log',
  'index',
  'timeindex',
  'txnindex',
  'snapshot',
  'epochs',
  'metadata',
  'checkpoints',
  'leftovers',
] as const
export type DumpableFile = (typeof dumpableFiles)[number]

export interface LogOptions {
  readonly command: 'dump' | 'verify' | 'repair'
  readonly directory: string
  readonly filter: TargetFilter
  readonly json: boolean
  readonly segment: number | undefined
  readonly from: number | undefined
  readonly to: number | undefined
  readonly records: boolean
  readonly headers: boolean
  readonly keys: Format
  readonly values: Format
  readonly maxBytes: number
  readonly files: ReadonlySet<DumpableFile>
  readonly dryRun: boolean
  readonly acceptDataLoss: boolean
}

const wrongUsage = (message: string): MillraceError => new MillraceError('USAGE', message)

/** What the arguments behind `log` ask for; `help` when that is all. Throws a MillraceError of code USAGE. */
export function readOptions(args: string[]): LogOptions | 'help' {
  const { values, positionals } = parsed(args)
  if (values.help === true || positionals[0] === 'help') return 'help'
  const [command, directory, ...more] = positionals
  if (command !== 'dump' && command !== 'verify' && command !== 'repair')
    throw wrongUsage(command === undefined ? 'say dump, verify or repair' : `unknown command log ${command}`)
  if (directory === undefined || directory === '') throw wrongUsage('name a directory')
  if (more.length > 0) throw wrongUsage(`one directory at a time: ${more.join(' ')}`)
  const only = (name: string, which: string) => {
    if (values[name as keyof typeof values] !== undefined && command !== which)
      throw wrongUsage(`--${name} is for log ${which}`)
  }
  for (const name of ['segment', 'from', 'to', 'records', 'headers', 'keys', 'values', 'max-bytes', 'files'])
    only(name, 'dump')
  for (const name of ['dry-run', 'accept-data-loss']) only(name, 'repair')
  return {
    command,
    directory,
    filter: {
      topics: values.topic ?? [],
      partitions: (values.partition ?? []).map(text => wholeNumber('partition', text)!),
    },
    json: values.json === true,
    segment: wholeNumber('segment', values.segment),
    from: wholeNumber('from', values.from),
    to: wholeNumber('to', values.to),
    records:
      values.records === true || values.headers === true || values.keys !== undefined || values.values !== undefined,
    headers: values.headers === true,
    keys: format('keys', values.keys),
    values: format('values', values.values),
    maxBytes: wholeNumber('max-bytes', values['max-bytes']) ?? 1024,
    files: fileKinds(values.files),
    dryRun: values['dry-run'] === true,
    acceptDataLoss: values['accept-data-loss'] === true,
  }
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        topic: { type: 'string', multiple: true },
        partition: { type: 'string', multiple: true },
        json: { type: 'boolean' },
        segment: { type: 'string' },
        from: { type: 'string' },
        to: { type: 'string' },
        records: { type: 'boolean' },
        headers: { type: 'boolean' },
        keys: { type: 'string' },
        values: { type: 'string' },
        'max-bytes': { type: 'string' },
        files: { type: 'string' },
        'dry-run': { type: 'boolean' },
        'accept-data-loss': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw wrongUsage(error instanceof Error ? error.message : String(error))
  }
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw wrongUsage(`--${name} takes a number, not ${text}`)
  return number
}

function format(name: string, text: string | undefined): Format {
  if (text === undefined) return 'text'
  if (!formats.has(text)) throw wrongUsage(`--${name} takes text, hex, base64 or none, not ${text}`)
  return text as Format
}

function fileKinds(text: string | undefined): ReadonlySet<DumpableFile> {
  const names = text === undefined ? ['log'] : text.split(',').map(each => each.trim())
  if (names.includes('all')) return new Set(dumpableFiles)
  for (const name of names)
    if (!dumpableFiles.includes(name as DumpableFile)) throw wrongUsage(`--files does not know ${name}`)
  return new Set(names as DumpableFile[])
}
