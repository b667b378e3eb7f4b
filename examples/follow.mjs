// One writer and a reader in another thread that follows the end of the log. Run it with
// `node examples/follow.mjs [DIRECTORY]`.
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { Log } from 'millrace'

if (isMainThread) {
  const directory = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'millrace-example-')))
  const log = await Log.open(directory)
  try {
    const reader = new Worker(new URL(import.meta.url), { workerData: directory })
    for (const word of ['first', 'second', 'last']) log.append(word)
    await once(reader, 'exit')
  } finally {
    await log.close()
  }
} else {
  const log = await Log.open(workerData, { readOnly: true })
  try {
    for await (const { offset, value } of log.read({ live: true })) {
      console.log(`the reader has ${offset}: ${value}`)
      if (String(value) === 'last') break
    }
  } finally {
    await log.close()
  }
}
