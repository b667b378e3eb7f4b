// Logs in worker threads: each thread writes one of its own and reads that of the main thread. Arguments: the package, a
// directory.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const [entry, directory] = isMainThread ? process.argv.slice(2) : workerData
const { Log } = await import(entry)

if (isMainThread) {
  const log = await Log.open(`${directory}/main`)
  log.appendBatch(Array.from({ length: 1_000 }, (_, index) => `${index}`))
  await log.flushed()
  const workers = Array.from({ length: 4 }, (_, index) => {
    const data = [entry, directory, index]
    return new Worker(new URL(import.meta.url), { workerData: data })
  })
  const messages = await Promise.all(workers.map(worker => once(worker, 'message')))
  assert.deepEqual(
    messages.map(([read]) => read),
    [1_000, 1_000, 1_000, 1_000],
  )
  // They have not closed their logs: what holds them goes with the threads.
  await Promise.all(workers.map(worker => worker.terminate()))
  await log.close()
  const own = await Log.open(`${directory}/worker-0`)
  assert.equal(own.endOffset, 10)
  await own.close()
  console.log('done')
} else {
  const reader = await Log.open(`${directory}/main`, { readOnly: true })
  let records = 0
  for await (const { value } of reader.read()) assert.equal(String(value), `${records++}`)
  const own = await Log.open(`${directory}/worker-${workerData[2]}`)
  for (let at = 0; at < 10; at++) own.append(`${at}`)
  await own.flushed()
  parentPort.postMessage(records)
}
