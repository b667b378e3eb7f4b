import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findMemoryCgroups, MemoryCgroup } from '../../../bench/lib/memory-cgroup.ts'

const version1 = `
tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0`

describe('finding the memory cgroup', () => {
  it('takes the hierarchy of version 1 that has memory, from its root down to where this process is', () => {
    assert.deepEqual(findMemoryCgroups(version1, '5:freezer:/\n4:memory:/jobs/7\n1:cpu,cpuacct:/\n0::/\n'), {
      version: 1,
      own: '/sys/fs/cgroup/memory/jobs/7',
      parents: ['/sys/fs/cgroup/memory', '/sys/fs/cgroup/memory/jobs', '/sys/fs/cgroup/memory/jobs/7'],
    })
  })

  it('takes version 2 where version 1 does not account memory', () => {
    const mounts = 'cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n'
    const found = findMemoryCgroups(mounts, '0::/user.slice/session-1.scope\n')
    assert.equal(found?.version, 2)
    assert.equal(found?.own, '/sys/fs/cgroup/user.slice/session-1.scope')
    assert.equal(found?.parents[0], '/sys/fs/cgroup')
  })

  it('knows a controller by its whole name, among several of one hierarchy', () => {
    const mounts = 'cgroup /cg/both cgroup rw,cpu,memory 0 0\ncgroup /cg/other cgroup rw,memory2 0 0'
    assert.equal(findMemoryCgroups(mounts, '9:memory2:/x\n3:cpu,memory:/y\n')?.own, '/cg/both/y')
  })

  it('finds none where none is mounted, and stays below the mount where the path leads out of it', () => {
    assert.equal(findMemoryCgroups('proc /proc proc rw 0 0\n', '0::/\n'), undefined)
    const outside = findMemoryCgroups('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0', '0::/../../a')
    assert.equal(outside?.own, '/sys/fs/cgroup/a')
  })

  it('says why there can be no group, and leaves this process where it was', () => {
    const absent = MemoryCgroup.make('x', 1 << 30, { version: 2, own: '/nowhere/a', parents: ['/nowhere/a'] })
    assert.match(String(absent), /no cgroup/)
    assert.match(String(MemoryCgroup.make('x', 1 << 30, undefined)), /not mounted/)
  })
})
