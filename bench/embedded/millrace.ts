import type { Log as OpenedLog } from '../../src/app/log.ts'
import type { LogSide } from './task.ts'

/** For any value of a scan that copies. */
const copyBytes = 1 << 20

/** This build, as it ships. */
export async function openMillrace(directory: string): Promise<LogSide> {
  const bundle = new URL('../../dist/index.js', import.meta.url)
  const { Log } = (await import(bundle.href)) as typeof import('../../src/index.ts')
  const log: OpenedLog = await Log.open(directory)
  const copy = Buffer.allocUnsafe(copyBytes)
  let seeker: ReturnType<OpenedLog['cursor']> | undefined
  return {
    appendOne: value => void log.append(value),
    appendBatch: values => void log.appendBatch(values),
    appendDurably(values) {
      log.appendBatch(values)
      return log.flushed()
    },
    scan(way) {
      const cursor = log.cursor(log.startOffset)
      let records = 0
      let bytes = 0
      for (; cursor.next(); records++) {
        if (way === 'lengths') bytes += cursor.valueLength
        else if (way === 'in-place') bytes += cursor.bytes[cursor.valuePosition]!
        else if (way === 'views') bytes += cursor.value![0]!
        else {
          const value = cursor.value!
          copy.set(value)
          bytes += value.length
        }
      }
      if (bytes === 0) throw new Error('the values are empty')
      return records
    },
    random(places) {
      seeker ??= log.cursor(log.startOffset)
      for (const place of places) {
        seeker.seek(place)
        if (!seeker.next() || seeker.value!.length === 0) throw new Error(`record ${place} is missing`)
      }
    },
    close: () => log.close(),
  }
}
