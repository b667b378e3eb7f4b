// The fastest way to read: a cursor walks over the records where they lie in the file. In plain JavaScript, with `close()` in
// a `finally` for a Node that does not know `await using`. Run it with `node examples/cursor.mjs [DIRECTORY]`.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Log } from 'millrace'

const log = await Log.open(process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'millrace-example-'))))
try {
  for (let at = 0; at < 100_000; at++) log.append(`reading ${at}`)

  let bytes = 0
  const cursor = log.cursor(log.startOffset)
  while (cursor.next()) bytes += cursor.valueLength // No view is made, nothing is copied.
  console.log(`${log.endOffset - log.startOffset} records, ${bytes} bytes`)

  let nines = 0
  cursor.seek(log.startOffset)
  // A value can be looked at where it lies, without an object for each: here, at its last byte.
  while (cursor.next()) if (cursor.bytes[cursor.valuePosition + cursor.valueLength - 1] === 0x39) nines++
  console.log(`${nines} of them end in 9`)

  cursor.seek(50_000)
  if (cursor.next()) {
    // A view of the mapped file, good until the log is closed or retention takes its segment: copy what is to stay.
    const copy = Buffer.from(cursor.value)
    console.log(`offset ${cursor.offset}: ${copy}`)
  }
} finally {
  await log.close()
}
