/**
 * A process of many connections, beside the test's so that each has descriptors of its own: `crowd.ts HOST PORT COUNT`.
 * Says `connected` when all are; each line on its input is a frame in hexadecimal, of which every connection sends one
 * byte more, and answers `sent`. It ends with its input, and resets its connections, so that no port stays taken.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** Connections on their way at once: fewer than a listener's backlog. */
const atOnce = 200

const [host = '', port = '', count = ''] = process.argv.slice(2)
const sockets: Socket[] = []
let closed = 0

const open = async (): Promise<void> => {
  const socket = connect({ host, port: Number(port), noDelay: true })
  socket.on('error', () => undefined)
  socket.on('close', () => closed++)
  await once(socket, 'connect')
  sockets.push(socket)
}

for (let left = Number(count); left > 0; left -= atOnce)
  await Promise.all(Array.from({ length: Math.min(atOnce, left) }, open))
console.log('connected')

let sent = 0
for await (const line of createInterface({ input: process.stdin })) {
  const byte = Buffer.from(line, 'hex').subarray(sent, sent + 1)
  sent++
  await Promise.all(sockets.map(socket => new Promise(resolve => socket.write(byte, resolve))))
  console.log(`sent ${closed}`)
}
for (const socket of sockets) socket.resetAndDestroy()
