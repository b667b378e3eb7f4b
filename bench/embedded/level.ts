import type { LogSide } from './task.ts'

/** Of classic-level's types, which are not installed here. */
interface Database {
  open(): Promise<void>
  put(key: Uint8Array, value: Uint8Array): Promise<void>
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  batch(operations: readonly object[], options?: object): Promise<void>
  values(): { nextv(count: number): Promise<readonly Uint8Array[]>; close(): Promise<void> }
  close(): Promise<void>
}
interface Level {
  ClassicLevel: new (path: string, options: object) => Database
}

const scannedTogether = 1_000

export async function openLevel({ ClassicLevel }: Level, path: string): Promise<LogSide> {
  const database = new ClassicLevel(path, { keyEncoding: 'buffer', valueEncoding: 'buffer', compression: false })
  await database.open()
  let next = 0
  const keyOf = (offset: number): Buffer => {
    const key = Buffer.allocUnsafe(8)
    key.writeBigUInt64BE(BigInt(offset))
    return key
  }
  const write = (values: readonly Uint8Array[], sync: boolean): Promise<void> =>
    database.batch(
      values.map(value => ({ type: 'put', key: keyOf(next++), value })),
      { sync },
    )
  return {
    appendOne: value => database.put(keyOf(next++), value),
    appendBatch: values => write(values, false),
    appendDurably: values => write(values, true),
    async scan() {
      const iterator = database.values()
      let records = 0
      for (;;) {
        const values = await iterator.nextv(scannedTogether)
        if (values.length === 0) break
        records += values.length
      }
      await iterator.close()
      return records
    },
    async random(places) {
      for (const place of places)
        if ((await database.get(keyOf(place))) === undefined) throw new Error(`record ${place} is missing`)
    },
    close: () => database.close(),
  }
}
