import type { LogSide } from './task.ts'

/** Of lmdb's types, which are not installed here. */
interface Database {
  put(key: number, value: Uint8Array): Promise<boolean>
  get(key: number): Buffer | undefined
  getRange(range: object): Iterable<{ readonly value: Buffer }>
  transaction<T>(action: () => T): Promise<T>
  readonly flushed: Promise<boolean>
  close(): Promise<void>
}
interface Lmdb {
  open(options: object): Database
}

/** Puts that may wait to be committed: its own async mode needs no more to group them. */
const pendingMost = 10_000

export function openLmdb(lmdb: Lmdb, path: string): LogSide {
  const database = lmdb.open({ path, encoding: 'binary', keyEncoding: 'uint32', mapSize: 2 ** 36 })
  let next = 0
  let pending = 0
  let last: Promise<unknown> = Promise.resolve()

  /** Waits now and then, so that memory does not grow without bound. */
  function held(count: number): Promise<void> | undefined {
    pending += count
    if (pending < pendingMost) return undefined
    pending = 0
    return last.then(() => undefined)
  }

  return {
    appendOne(value) {
      last = database.put(next++, value)
      return held(1)
    },
    appendBatch(values) {
      last = database.transaction(() => {
        for (const value of values) void database.put(next++, value)
      })
      return held(values.length)
    },
    async appendDurably(values) {
      await database.transaction(() => {
        for (const value of values) void database.put(next++, value)
      })
      await database.flushed
    },
    settle: async () => void (await last),
    scan() {
      let records = 0
      let bytes = 0
      for (const { value } of database.getRange({})) {
        records++
        bytes += value.length
      }
      if (bytes === 0) throw new Error('the values are empty')
      return records
    },
    random(places) {
      for (const place of places) if (database.get(place) === undefined) throw new Error(`record ${place} is missing`)
    },
    close: () => database.close(),
  }
}
