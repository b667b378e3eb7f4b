import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs'
import type { LogSide } from './task.ts'

const lengthBytes = 4
const readBytes = 1 << 20

/** A file of records, each behind its length: what an app would write by itself. */
export function openPlainFile(path: string): LogSide {
  const descriptor = openSync(path, 'a+')
  const positions: number[] = []
  let end = 0
  let joined = Buffer.alloc(1 << 20)

  /** One write for all of them. */
  function write(values: readonly Uint8Array[]): void {
    let at = 0
    for (const value of values) {
      if (at + lengthBytes + value.length > joined.length) joined = Buffer.concat([joined, Buffer.alloc(joined.length)])
      positions.push(end + at)
      joined.writeUInt32LE(value.length, at)
      joined.set(value, at + lengthBytes)
      at += lengthBytes + value.length
    }
    end += writeSync(descriptor, joined, 0, at)
  }

  return {
    appendOne: value => write([value]),
    appendBatch: write,
    appendDurably(values) {
      write(values)
      fdatasyncSync(descriptor)
    },
    scan(way) {
      const block = Buffer.allocUnsafe(readBytes)
      const copy = Buffer.allocUnsafe(readBytes)
      let records = 0
      let bytes = 0
      for (let position = 0; position < end; ) {
        const read = readSync(descriptor, block, 0, readBytes, position)
        let at = 0
        while (at + lengthBytes <= read) {
          const length = block.readUInt32LE(at)
          if (at + lengthBytes + length > read) break
          const from = at + lengthBytes
          if (way === 'lengths') bytes += length
          else if (way === 'in-place') bytes += block[from]!
          else if (way === 'views') bytes += block.subarray(from, from + length)[0]!
          else bytes += block.copy(copy, 0, from, from + length)
          at += lengthBytes + length
          records++
        }
        position += at
      }
      if (bytes === 0) throw new Error('the values are empty')
      return records
    },
    random(places) {
      for (const place of places) {
        const from = positions[place]!
        const length = (positions[place + 1] ?? end) - from
        readSync(descriptor, Buffer.allocUnsafe(length), 0, length, from)
      }
    },
    close: () => closeSync(descriptor),
  }
}
