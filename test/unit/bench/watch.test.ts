import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { deviceNumbers, Watch, writtenBytes } from '../../../bench/lib/watch.ts'

const diskstats = `
   7       0 loop0 53 0 2186 12 0 0 0 0 0 36 12 0 0 0 0 0 0
 254       0 vda 105327 1204 9000001 60731 88123 70211 123456 99 0 5 5 0 0 0 0 0 0
 254       1 vda1 1 1 1 1 1 1 7 1 0 1 1 0 0 0 0 0 0`

describe('what a device was given', () => {
  it('is its sectors written, of the device with these numbers', () => {
    assert.equal(writtenBytes(diskstats, { major: 254, minor: 0 }), 123_456 * 512)
    assert.equal(writtenBytes(diskstats, { major: 254, minor: 1 }), 7 * 512)
  })

  it('is unknown where the files are on no device of its own', () => {
    assert.equal(writtenBytes(diskstats, { major: 0, minor: 40 }), undefined)
  })

  it('knows the numbers of a device as Linux packs them', () => {
    assert.deepEqual(deviceNumbers(0xfe01), { major: 254, minor: 1 })
    assert.deepEqual(deviceNumbers(0x100103), { major: 1, minor: 0x103 })
    assert.equal(deviceNumbers(statSync('/proc').dev).major, 0)
  })

  it('is watched with the memory of a process until the end', () => {
    const watch = new Watch(process.pid, tmpdir())
    watch.end()
    assert.equal(watch.samples.length, 1)
    const [sample] = watch.samples
    assert.ok((sample?.memory?.unmapped ?? 0) > 1 && (sample?.memory?.resident ?? 0) >= (sample?.memory?.unmapped ?? 0))
  })
})
