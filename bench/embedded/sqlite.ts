import type { LogSide } from './task.ts'

/** Of better-sqlite3's types, which are not installed here. */
interface Statement {
  run(...parameters: unknown[]): unknown
  get(...parameters: unknown[]): unknown
  iterate(): Iterable<{ readonly value: Buffer }>
}
interface Database {
  pragma(text: string): unknown
  exec(text: string): unknown
  prepare(text: string): Statement
  transaction<A extends unknown[]>(action: (...args: A) => void): (...args: A) => void
  close(): void
}
type Sqlite = new (path: string) => Database

/** In WAL mode; `synchronous=FULL` where it has to be durable, else `NORMAL`. */
export function openSqlite(Sqlite: Sqlite, path: string): LogSide {
  const database = new Sqlite(path)
  database.pragma('journal_mode = WAL')
  database.exec('CREATE TABLE log (offset INTEGER PRIMARY KEY, value BLOB NOT NULL)')
  const insert = database.prepare('INSERT INTO log VALUES (?, ?)')
  const select = database.prepare('SELECT value FROM log WHERE offset = ?')
  const all = database.prepare('SELECT value FROM log ORDER BY offset')
  let next = 0
  let level = ''
  const synchronous = (wanted: string): void => {
    if (level !== wanted) database.pragma(`synchronous = ${wanted}`)
    level = wanted
  }
  const insertAll = database.transaction((values: readonly Uint8Array[]) => {
    for (const value of values) insert.run(next++, value)
  })
  return {
    appendOne(value) {
      synchronous('NORMAL')
      insert.run(next++, value)
    },
    appendBatch(values) {
      synchronous('NORMAL')
      insertAll(values)
    },
    appendDurably(values) {
      synchronous('FULL')
      insertAll(values)
    },
    scan() {
      let records = 0
      let bytes = 0
      for (const { value } of all.iterate()) {
        records++
        bytes += value.length
      }
      if (bytes === 0) throw new Error('the values are empty')
      return records
    },
    random(places) {
      for (const place of places) if (select.get(place) === undefined) throw new Error(`record ${place} is missing`)
    },
    close: () => database.close(),
  }
}
