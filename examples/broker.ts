// A whole Kafka broker in this process: the app appends and reads without a socket, and Kafka clients see the same topics
// over `listen`. Run it with `npx tsx examples/broker.ts [DIRECTORY]`; with a directory it serves until Ctrl-C:
//
//   kcat -b 127.0.0.1:9092 -t orders -C        shows what the app appended
//   kcat -b 127.0.0.1:9092 -t orders -P        appends what the app shows
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Broker } from 'millrace'

async function main(directory: string | undefined): Promise<void> {
  const dataDir = directory ?? (await mkdtemp(join(tmpdir(), 'millrace-example-')))
  // Stopped at the end of the block: what was appended is taken along, sockets, threads and files are let go.
  await using broker = await Broker.start({ dataDir, listen: directory === undefined ? '127.0.0.1:0' : '127.0.0.1:9092' })

  const offset = await broker.append('orders', { key: 'customer-7', value: '{"item":"tea"}' })
  console.log(`on the disk as offset ${offset}; serving ${broker.listen.join(', ')}`)

  const stop = new AbortController()
  if (directory !== undefined) void once(process, 'SIGINT').then(() => stop.abort())
  try {
    const live = directory !== undefined
    for await (const { key, value } of broker.read('orders', { live, signal: stop.signal })) console.log(String(key), String(value))
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
}

await main(process.argv[2])
