import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { NewFile, RepairFiles } from '../../../src/log-tool/files.ts'
import { lockFile } from '../../../src/native/process.ts'
import {
  batchesOf,
  bounded,
  buildHouses,
  flip,
  type Houses,
  OpenTrust,
  onCopy,
  realFiles,
  recordsOf,
  removeHouses,
  runLog,
  startOn,
  treeOf,
  writeSegment,
} from './support.ts'

const checkpoint = (name: 'recovery-point' | 'log-start') => `${name}-offset-checkpoint`

/** Files of this machine on which the n-th call that changes something fails, as if the machine had stopped there. */
function failingAt(n: number): { files: RepairFiles; reached(): boolean } {
  const real = realFiles()
  let left = n
  const counted =
    <Args extends unknown[], R>(work: (...args: Args) => R) =>
    (...args: Args): R => {
      if (--left < 0) throw Object.assign(new Error('the machine stopped'), { code: 'EIO' })
      return work(...args)
    }
  const files: RepairFiles = {
    list: path => real.list(path),
    open: path => real.open(path),
    exists: path => real.exists(path),
    isLocked: path => real.isLocked(path),
    lock: path => real.lock(path),
    create: counted(path => {
      const file = real.create(path)
      const wrapped: NewFile = {
        append: counted(bytes => file.append(bytes)),
        finish: counted(() => file.finish()),
        abandon: () => file.abandon(),
      }
      return wrapped
    }),
    rename: counted((from, to) => real.rename(from, to)),
    link: counted((from, to) => real.link(from, to)),
    truncate: counted((path, size) => real.truncate(path, size)),
    makeDirectory: counted(path => real.makeDirectory(path)),
    syncDirectory: counted(path => real.syncDirectory(path)),
  }
  return { files, reached: () => left < 0 }
}

describe('millrace log repair', bounded, () => {
  let houses: Houses
  before(async () => {
    houses = await buildHouses()
  })
  after(() => removeHouses(houses))

  const lastLog = (directory: string): string =>
    join(
      directory,
      readdirSync(directory)
        .filter(name => name.endsWith('.log'))
        .sort()
        .at(-1)!,
    )

  it('cuts an append that a kill interrupted, and keeps its bytes', () =>
    onCopy(houses.killed, async copy => {
      const directory = join(copy, 'plain-0')
      const whole = batchesOf(directory)
      const last = whole[whole.length - 1]!
      const path = join(directory, last.file)
      const torn = readFileSync(path).subarray(last.position, last.position + 5000)
      torn.writeBigInt64BE(BigInt(last.lastOffset + 1), 0)
      const bytes = readFileSync(path)
      bytes.set(torn, last.end)
      writeFileSync(path, bytes)
      const verified = await runLog(['verify', copy, '--json'])
      assert.deepEqual(
        verified.of('finding').map(({ code, severity, position }) => ({ code, severity, position })),
        [{ code: 'batch-incomplete', severity: 'rebuilt', position: last.end }],
      )
      const before = treeOf(copy)
      const dry = await runLog(['repair', copy, '--dry-run'])
      assert.equal(dry.code, 1, 'it is still wrong')
      assert.match(dry.out, /would: cut off an incomplete append, 5000 bytes/)
      assert.deepEqual(treeOf(copy), before)
      const repaired = await runLog(['repair', copy])
      assert.equal(repaired.code, 0, repaired.out)
      assert.deepEqual(readFileSync(`${path}.cut-${last.end}`), torn)
      assert.equal(statSync(path).size, last.end)
      assert.equal((await recordsOf(copy, 'plain-0', OpenTrust.sameBoot)).size, 200)
    }))

  it('refuses to cut what is not torn but changed, and what the checkpoint knows to be on the disk', () =>
    onCopy(houses.killed, async copy => {
      const directory = join(copy, 'plain-0')
      const last = batchesOf(directory).at(-1)!
      flip(join(directory, last.file), last.position + 200, 3)
      const before = readFileSync(join(directory, last.file))
      const refused = await runLog(['repair', copy, '--json'])
      assert.equal(refused.code, 1)
      assert.deepEqual(
        refused.of('refused').map(({ position, lostFrom }) => ({ position, lostFrom })),
        [{ position: last.position, lostFrom: last.baseOffset }],
      )
      assert.deepEqual(readFileSync(join(directory, last.file)), before)
      truncateSync(join(directory, last.file), last.position - 10)
      writeFileSync(join(copy, checkpoint('recovery-point')), `0\n1\nplain 0 ${last.lastOffset + 1}\n`)
      assert.equal((await runLog(['repair', copy])).code, 1)
      const damaged = readFileSync(join(directory, last.file))
      const accepted = await runLog(['repair', copy, '--json', '--accept-data-loss'])
      assert.equal(accepted.code, 0, accepted.out)
      const aside = readdirSync(directory).find(name => name.startsWith('repair-'))!
      assert.deepEqual(readFileSync(join(directory, aside, last.file)), damaged, 'what was replaced is kept')
      assert.equal((await runLog(['verify', copy])).code, 0)
      const kept = await recordsOf(copy, 'plain-0', OpenTrust.reboot)
      assert.equal(kept.size, 190)
    }))

  it('never gives an offset again whose record is lost', () =>
    onCopy(houses.clean, async copy => {
      const path = lastLog(join(copy, 'plain-0'))
      const ends = batchesOf(join(copy, 'plain-0')).at(-1)!.lastOffset
      rmSync(path)
      assert.equal((await runLog(['repair', copy])).code, 1)
      const accepted = await runLog(['repair', copy, '--json', '--accept-data-loss'])
      assert.equal(accepted.code, 0, accepted.out)
      assert.equal(
        accepted.of('mended').some(each => each.lostTo === ends + 1),
        true,
        accepted.out,
      )
      const { code, of } = await runLog(['verify', copy, '--json'])
      assert.equal(code, 0)
      assert.equal(of('partition').find(each => each.name === 'plain-0')!.logEndOffset, ends + 1)
    }))

  it('stands for a segment that is missing in the middle or at the start', async () => {
    for (const missing of [0, 1])
      await onCopy(houses.clean, async copy => {
        const names = readdirSync(join(copy, 'plain-0'))
          .filter(name => name.endsWith('.log'))
          .sort()
        assert.ok(names.length >= 3)
        rmSync(join(copy, 'plain-0', names[missing]!))
        const verified = await runLog(['verify', copy, '--json'])
        assert.ok(
          verified.of('finding').some(finding => finding.severity === 'data'),
          verified.out,
        )
        assert.equal((await runLog(['repair', copy])).code, 1)
        const accepted = await runLog(['repair', copy, '--accept-data-loss'])
        assert.equal(accepted.code, 0, accepted.out)
        for (const trust of [OpenTrust.sameBoot, OpenTrust.reboot])
          assert.ok((await recordsOf(copy, 'plain-0', trust)).has(199))
      })
  })

  it('makes indexes, epochs, snapshots and checkpoints again as the broker would have them', () =>
    onCopy(houses.clean, async copy => {
      const directory = join(copy, 'plain-0')
      const before = treeOf(directory)
      const names = readdirSync(directory)
      for (const name of names) if (/index$|epoch/.test(name)) rmSync(join(directory, name))
      for (const name of names) if (name.endsWith('.snapshot')) flip(join(directory, name), 20, 1)
      for (const name of ['recovery-point', 'log-start'] as const)
        writeFileSync(join(copy, checkpoint(name)), readFileSync(join(copy, checkpoint(name))).subarray(0, 9))
      rmSync(join(directory, 'partition.metadata'))
      const repaired = await runLog(['repair', copy])
      assert.equal(repaired.code, 0, repaired.out)
      const after = treeOf(directory)
      for (const [name, content] of before)
        if (!name.endsWith('.snapshot')) assert.equal(after.get(name), content, name)
      assert.equal((await recordsOf(copy, 'plain-0', OpenTrust.clean)).size, 200)
      assert.deepEqual([...(await recordsOf(copy, 'trimmed-0', OpenTrust.clean)).keys()], [84, 85, 86, 87, 88, 89])
    }))

  it('keeps the records of a log whose checkpoint says that it begins behind its end', () =>
    onCopy(houses.clean, async copy => {
      writeFileSync(join(copy, checkpoint('log-start')), '0\n2\ntrimmed 0 85\nplain 0 100000\n')
      const verified = await runLog(['verify', copy, '--json'])
      assert.deepEqual(
        verified.of('finding').map(({ code, severity }) => ({ code, severity })),
        [{ code: 'log-start', severity: 'data' }],
      )
      assert.equal((await runLog(['repair', copy])).code, 0)
      assert.equal((await recordsOf(copy, 'plain-0', OpenTrust.clean)).size, 200)
    }))

  it('can be stopped at any step and run again', async () => {
    const damage = (copy: string) => {
      const directory = join(copy, 'plain-0')
      const batches = batchesOf(directory)
      const [first, second] = [batches[3]!, batches[batches.length - 2]!]
      flip(join(directory, first.file), first.position + 100, 2)
      flip(join(directory, second.file), second.position + 5, 2)
      flip(join(directory, second.file.replace('.log', '.index')), 3, 0)
      for (const name of readdirSync(directory)) if (name.endsWith('.snapshot')) flip(join(directory, name), 20, 1)
      writeFileSync(join(directory, 'leader-epoch-checkpoint'), '0\n2\n')
      writeFileSync(join(copy, checkpoint('recovery-point')), '0\n')
      writeFileSync(join(directory, '00000000000000000000.log.deleted'), 'old')
    }
    let steps = 0
    for (let done = false; !done; steps++)
      await onCopy(houses.clean, async copy => {
        damage(copy)
        const failing = failingAt(steps)
        const stopped = await runLog(['repair', copy, '--topic', 'plain', '--accept-data-loss'], failing.files)
        done = !failing.reached()
        assert.equal(stopped.code, done ? 0 : 1, stopped.out + stopped.errors)
        const again = await runLog(['repair', copy, '--topic', 'plain', '--accept-data-loss'])
        assert.equal(again.code, 0, `step ${steps}\n${again.out}`)
        assert.equal((await runLog(['verify', copy, '--topic', 'plain'])).code, 0, `step ${steps}`)
        if (steps % 8 !== 0 && !done) return
        const records = await recordsOf(copy, 'plain-0', OpenTrust.sameBoot)
        assert.equal(records.size, 195, `step ${steps}`)
      })
    assert.ok(steps > 20, `${steps} steps`)
  })

  it('sees a compaction that a kill interrupted as what the next start makes of it, and can finish it', () =>
    onCopy(houses.killed, async copy => {
      const directory = join(copy, 'plain-0')
      const [first, second] = readdirSync(directory)
        .filter(name => name.endsWith('.log'))
        .sort()
      const both = batchesOf(directory).filter(({ file }) => file === first || file === second)
      const made = join(copy, 'made')
      mkdirSync(made)
      const batches = both.map(({ file, position, end, baseOffset }) => ({
        baseOffset,
        bytes: readFileSync(join(directory, file)).subarray(position, end),
      }))
      writeSegment(made, 0, batches)
      const digits = (name: string) => name.slice(0, 20)
      renameSync(join(made, first!), join(directory, `${first}.swap-${digits(second!)}`))
      for (const suffix of ['index', 'timeindex'])
        renameSync(join(made, `${digits(first!)}.${suffix}`), join(directory, `${digits(first!)}.${suffix}.cleaned`))
      rmSync(made, { recursive: true })
      rmSync(join(directory, second!))
      const verified = await runLog(['verify', copy, '--json'])
      assert.equal(verified.code, 0, verified.out)
      assert.equal(verified.of('partition').find(each => each.name === 'plain-0')!.records, 200)
      const repaired = await runLog(['repair', copy])
      assert.equal(repaired.code, 0, repaired.out)
      assert.match(repaired.out, /did: finish the compaction/)
      assert.equal((await runLog(['verify', copy])).code, 0)
      assert.deepEqual((await runLog(['repair', copy, '--json'])).of('mended'), [])
      assert.equal((await recordsOf(copy, 'plain-0', OpenTrust.sameBoot)).size, 200)
    }))

  it('leaves metadata that lost a transaction such that the broker starts on them', () =>
    onCopy(houses.clean, async copy => {
      const metadata = join(copy, '__cluster_metadata-0')
      const lost = batchesOf(metadata).at(-1)!
      flip(join(metadata, lost.file), lost.position + 100, 1)
      assert.equal((await runLog(['repair', copy])).code, 1)
      const accepted = await runLog(['repair', copy, '--accept-data-loss'])
      assert.match(accepted.out, /LOST: the records of offsets/)
      const broker = await startOn(copy)
      await broker.stop()
    }))

  it('does not touch the directory of a running broker, which can be verified', () =>
    onCopy(houses.killed, async copy => {
      const lock = lockFile(join(copy, '.lock'))
      assert.ok(lock !== undefined)
      for (const args of [['repair'], ['repair', '--dry-run']]) {
        const { code, errors } = await runLog([...args, copy])
        assert.equal(code, 1)
        assert.match(errors, /A broker is running on .*: stop it first/)
        const partition = await runLog([...args, join(copy, 'plain-0')])
        assert.match(partition.errors, /A broker is running/)
      }
      appendFileSync(lastLog(join(copy, 'codecs-0')), 'half of a batch')
      const verified = await runLog(['verify', copy])
      assert.equal(verified.code, 0, verified.out)
      assert.match(verified.out, /a broker is running on this directory/)
      lock.release()
      assert.equal((await runLog(['verify', copy])).code, 1)
    }))

  it("does not touch an app's log that was not closed: its last records look like a torn end", () =>
    onCopy(houses.killed, async copy => {
      const partition = join(copy, 'plain-0')
      writeFileSync(join(partition, 'open-batch'), '')
      appendFileSync(lastLog(partition), 'records without a header')
      const before = treeOf(partition)
      for (const where of [copy, partition]) {
        const { code, errors } = await runLog(['repair', where])
        assert.equal(code, 1)
        assert.match(errors, /not sealed.*open the log once with Log\.open/)
      }
      assert.deepEqual(treeOf(partition), before)
    }))

  it('does not follow links out of the directory', () =>
    onCopy(houses.clean, async copy => {
      const outside = join(dirname(copy), 'millrace-log-tool-outside')
      rmSync(outside, { recursive: true, force: true })
      mkdirSync(outside)
      const name = readdirSync(join(copy, 'plain-0')).find(each => each.endsWith('.index'))!
      renameSync(join(copy, 'plain-0', name), join(outside, name))
      symlinkSync(join(outside, name), join(copy, 'plain-0', name))
      symlinkSync(outside, join(copy, 'elsewhere-0'))
      const before = treeOf(outside)
      const verified = await runLog(['verify', copy, '--json'])
      assert.deepEqual(
        new Set(verified.of('finding').map(finding => finding.code)),
        new Set(['foreign-entry', 'index']),
      )
      await runLog(['repair', copy])
      assert.deepEqual(treeOf(outside), before)
      assert.equal(existsSync(join(outside, 'elsewhere-0')), false)
      rmSync(outside, { recursive: true })
    }))

  it('takes a partition by itself, with or without its data directory', () =>
    onCopy(houses.clean, async copy => {
      const inside = await runLog(['verify', join(copy, 'codecs-0'), '--json'])
      assert.deepEqual(
        inside.of('partition').map(each => each.name),
        ['codecs-0'],
      )
      assert.equal(inside.code, 0, inside.out)
      const alone = join(copy, 'alone')
      mkdirSync(alone)
      renameSync(join(copy, 'codecs-0'), join(alone, 'codecs-0'))
      assert.equal((await runLog(['verify', join(alone, 'codecs-0')])).code, 0)
      const batch = batchesOf(join(alone, 'codecs-0'))[2]!
      flip(join(alone, 'codecs-0', batch.file), batch.position + 15, 0)
      assert.equal((await runLog(['repair', join(alone, 'codecs-0')])).code, 0)
      assert.equal((await runLog(['verify', join(alone, 'codecs-0')])).code, 0)
    }))
})
