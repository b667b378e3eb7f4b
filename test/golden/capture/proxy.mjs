// A TCP proxy that records what a Kafka client and a broker say to each other, frame by frame. The broker has to
// advertise the proxy's address, so that nothing on the wire is rewritten and every connection comes through here.
//
//   node proxy.mjs LISTEN_PORT BROKER_HOST:PORT OUT.jsonl
//
// writes one line per exchange: {api, version, request, response}, frames in hex without their length prefix.
import { createWriteStream } from 'node:fs'
import { connect, createServer } from 'node:net'
import { pathToFileURL } from 'node:url'

const produceApi = 0

/** Cuts a byte stream into frames at their 4-byte length prefixes and calls `onFrame` with each one's body. */
const framer = onFrame => {
  let pending = Buffer.alloc(0)
  return chunk => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 4) {
      const end = 4 + pending.readInt32BE(0)
      if (pending.length < end) return
      onFrame(pending.subarray(4, end))
      pending = pending.subarray(end)
    }
  }
}

/** Only a Produce with acks=0 has no answer; acks follows the transactional id, which flexible versions write compactly. */
const isUnanswered = (api, version, frame) => {
  if (api !== produceApi) return false
  const clientIdBytes = Math.max(frame.readInt16BE(8), 0)
  const body = 10 + clientIdBytes
  if (version < 9) return frame.readInt16BE(body + 2 + Math.max(frame.readInt16BE(body), 0)) === 0
  // One byte of tagged fields ends the header. A length of 127 and more would take two bytes: no captured id is so long.
  const transactionalId = Math.max(frame.readUInt8(body + 1) - 1, 0)
  return frame.readInt16BE(body + 2 + transactionalId) === 0
}

/**
 * Listens on `port` of the loopback (0: any) and hands every finished exchange to `onExchange`.
 * @param {{port: number, broker: {host: string, port: number}, onExchange: (exchange: object) => void}} options
 */
export const startProxy = ({ port, broker, onExchange }) => {
  const sockets = new Set()
  const server = createServer(client => {
    const upstream = connect(broker)
    const waiting = []
    const fromClient = framer(frame => {
      const exchange = { api: frame.readInt16BE(0), version: frame.readInt16BE(2), request: frame.toString('hex') }
      if (isUnanswered(exchange.api, exchange.version, frame)) onExchange({ ...exchange, response: null })
      else waiting.push({ correlationId: frame.readInt32BE(4), exchange })
    })
    // A broker answers a connection's requests in their order.
    const fromBroker = framer(frame => {
      const oldest = waiting.shift()
      if (oldest === undefined || oldest.correlationId !== frame.readInt32BE(0)) {
        throw new Error(`answer ${frame.readInt32BE(0)} where ${oldest?.correlationId} was due`)
      }
      onExchange({ ...oldest.exchange, response: frame.toString('hex') })
    })
    for (const [from, to, record] of [
      [client, upstream, fromClient],
      [upstream, client, fromBroker],
    ]) {
      sockets.add(from)
      from.on('data', chunk => {
        record(chunk)
        to.write(chunk)
      })
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('error', () => to.destroy())
    }
  })
  const close = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return new Promise(resolve => {
    server.listen(port, '127.0.0.1', () => resolve({ port: server.address().port, close }))
  })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [port, address, file] = process.argv.slice(2)
  if (port === undefined || address === undefined || file === undefined) {
    console.error('usage: node proxy.mjs LISTEN_PORT BROKER_HOST:PORT OUT.jsonl')
    process.exit(2)
  }
  const [host, brokerPort] = address.split(':')
  const out = createWriteStream(file)
  const onExchange = exchange => out.write(`${JSON.stringify(exchange)}\n`)
  const proxy = await startProxy({ port: Number(port), broker: { host, port: Number(brokerPort) }, onExchange })
  console.log(`recording 127.0.0.1:${proxy.port} to ${address} in ${file}`)
}
