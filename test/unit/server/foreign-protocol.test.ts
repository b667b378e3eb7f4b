import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foreignProtocol } from '../../../src/server/foreign-protocol.ts'

const sizeOf = (bytes: Buffer): number => bytes.readInt32BE(0)

test('clients that came to the wrong port are named by their first bytes', () => {
  assert.equal(foreignProtocol(sizeOf(Buffer.from('GET / HTTP/1.1'))), 'HTTP')
  assert.equal(foreignProtocol(sizeOf(Buffer.from('PRI * HTTP/2.0'))), 'HTTP/2')
  assert.equal(foreignProtocol(sizeOf(Buffer.from('SSH-2.0-x'))), 'SSH')
  assert.equal(foreignProtocol(sizeOf(Buffer.from('1603010200', 'hex'))), 'TLS')
  for (const size of [0, -1, 7, 0x7fff_ffff, 100 << 20]) assert.equal(foreignProtocol(size), undefined)
})
