// A log in this process: append, wait for the disk, read. `await using` closes it at the end of the block, also when
// something throws. Run it with `npx tsx examples/log.ts [DIRECTORY]`.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Log } from 'millrace'

async function main(directory: string): Promise<void> {
  await using log = await Log.open(directory)

  // Synchronous: when it returns, the record survives a crash of this process.
  const first = log.append('hello')
  log.append({ key: 'user-1', value: 'signed in', headers: { source: 'web' } })
  log.appendBatch(['one', 'two', 'three'])

  // Resolves when everything so far survives a loss of power, too.
  await log.flushed()
  console.log(`offsets ${first} to ${log.endOffset - 1} are on the disk`)

  for await (const { offset, key, value } of log.read({ from: first })) console.log(offset, String(key), String(value))
}

await main(process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'millrace-example-'))))
