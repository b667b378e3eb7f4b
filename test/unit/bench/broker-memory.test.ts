import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { BrokerMemory, limitFor } from '../../../bench/lib/broker-memory.ts'
import { findMemoryCgroups, MemoryCgroup } from '../../../bench/lib/memory-cgroup.ts'

const read = (path: string): string => readFileSync(path, 'utf8')
const places = () => findMemoryCgroups(read('/proc/self/mounts'), read('/proc/self/cgroup'))

describe('the memory of a broker', () => {
  it('is a cgroup that this process steps into and out of, and that is gone afterwards', async test => {
    const before = read('/proc/self/cgroup')
    const group = MemoryCgroup.make(`millrace-test-${process.pid}`, 64 << 20, places())
    if (typeof group === 'string') return test.skip(`no memory cgroup can be made here: ${group}`)
    try {
      const inside = await group.within(async () => read('/proc/self/cgroup'))
      assert.match(inside, new RegExp(`millrace-test-${process.pid}`))
      assert.equal(read('/proc/self/cgroup'), before)
      await assert.rejects(
        group.within(() => Promise.reject(new Error('did not start'))),
        /did not start/,
      )
      assert.equal(read('/proc/self/cgroup'), before, 'also when the start failed')
    } finally {
      group.remove()
    }
    assert.ok((places()?.parents ?? []).every(parent => !existsSync(join(parent, `millrace-test-${process.pid}`))))
  })

  it('is filled by a file that takes no room on the disk, once for each start', async test => {
    const parent = await mkdtemp(join(tmpdir(), 'millrace-memory-'))
    test.after(() => rm(parent, { recursive: true }))
    const limitBytes = 64 << 20
    const memory = await BrokerMemory.make(parent, limitBytes)
    try {
      if (!memory.limited) return test.skip(memory.note.text)
      await memory.fill()
      const fillers = async (): Promise<string[]> =>
        (await readdir(parent, { recursive: true })).filter(name => name.includes('filler'))
      const [first] = await fillers()
      await memory.fill()
      assert.deepEqual(await fillers(), [first], 'still full')
      await memory.within(async () => {})
      await memory.fill()
      const after = await fillers()
      assert.equal(after.length, 1)
      assert.notEqual(after[0], first, 'a start may have taken its pages')
      assert.match(memory.note.text, /cgroup \(v[12]\) of 0\.1 GB/)
    } finally {
      await memory.remove()
    }
    assert.deepEqual(await readdir(parent), [])
  })

  it('is at most half of the machine, in whole pages', () => {
    assert.equal(limitFor(0.001) % 4096, 0)
    assert.ok(limitFor(1e9) < Number(/MemTotal:\s+(\d+)/.exec(read('/proc/meminfo'))?.[1]) * 1024)
  })

  it('says so where it is not limited, and starts brokers all the same', async () => {
    const memory = BrokerMemory.unlimited('as asked')
    await memory.fill()
    assert.equal(await memory.within(async () => 7), 7)
    assert.equal(memory.note.limitBytes, undefined)
    assert.match(memory.note.text, /not limited: as asked/)
  })
})
