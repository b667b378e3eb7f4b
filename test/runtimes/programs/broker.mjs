// A broker in process, with a socket that answers. Arguments: the package, a directory.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'

const [entry, directory] = process.argv.slice(2)
const { Broker } = await import(entry)

const broker = await Broker.start({ dataDir: directory, listen: '127.0.0.1:0' })
try {
  await Promise.all(Array.from({ length: 100 }, (_, index) => broker.append('topic', `value ${index}`)))
  let records = 0
  for await (const { value } of broker.read('topic')) assert.equal(String(value), `value ${records++}`)
  assert.equal(records, 100)

  const [host, port] = broker.listen[0].split(':')
  const socket = connect(Number(port), host)
  await once(socket, 'connect')
  // ApiVersions v0 with correlation id 7 and no client id.
  for (let asked = 0; asked < 20; asked++) {
    socket.write(Buffer.from('0000000a001200000000' + '0007ffff', 'hex'))
    const [answer] = await once(socket, 'data')
    assert.equal(answer.readInt32BE(4), 7)
    assert.equal(answer.readInt16BE(8), 0)
  }
  const closed = once(socket, 'close')
  await broker.stop()
  await closed
} finally {
  await broker.stop()
}
console.log('done')
