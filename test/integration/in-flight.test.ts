/**
 * Clients that ask and do not read: their answers lie half in the log's file, half in their socket's queue, whose pages
 * are the file's own. Meanwhile the log is rolled, put to rest, cut and written anew at the same offsets and positions,
 * trimmed, reset, deleted and made again in the same directory. When the client reads on, every byte is what was there
 * when it was promised, or the connection ends.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { OpenTrust, type RegionSplit, type Storage, type StoredLog } from '../../src/base/world.ts'
import { EngineStat } from '../../src/native/addon.ts'
import { StatusCode } from '../../src/native/status.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { frameOf, logSettings, openEngine, startNetwork, temporaryDirectory } from '../unit/native/support.ts'
import { LazyReader, pattern, untilClosed } from './lazy-reader.ts'

const rounds = Number(process.env.MILLRACE_IN_FLIGHT_ROUNDS ?? 6)
const seed = Number(process.env.MILLRACE_IN_FLIGHT_SEED ?? 1)
const nowMs = 1_700_000_000_000
const leaderEpoch = 0
/** More than a socket of the loopback holds on both sides. */
const unreadBytes = 14 << 20

/** What a log is made to suffer; `life` changes whenever other bytes come to lie where some were. */
class Subject {
  life = 0
  /** Where the bytes begin that the socket holds. */
  underWay = 0

  private constructor(
    private readonly storage: Storage,
    readonly directory: string,
    private readonly random: SeededRandom,
    public log: StoredLog,
  ) {}

  static async open(storage: Storage, directory: string, random: SeededRandom): Promise<Subject> {
    return new Subject(storage, directory, random, await Subject.openLog(storage, directory))
  }

  private static async openLog(storage: Storage, directory: string): Promise<StoredLog> {
    const settings = { ...logSettings, segmentBytes: 6 << 20 }
    return (await storage.openLog(directory, settings, OpenTrust.clean, 0, 0)).log
  }

  /** Batches of all sizes, so that their ends lie anywhere in a page. */
  append(bytes: number): void {
    const end = this.log.sizeBytes() + bytes
    while (this.log.sizeBytes() < end) {
      const length = 1 + this.random.below(this.random.below(4) === 0 ? 900_000 : 20_000)
      const value = pattern(this.life, this.log.logEndOffset(), length)
      const batch = buildBatch({ timestampMs: nowMs, records: [{ key: null, value }] })
      assert.equal(this.log.appendBytes(batch, leaderEpoch, nowMs), StatusCode.ok)
    }
  }

  async durable(): Promise<void> {
    while (this.log.durableOffset() < this.log.logEndOffset()) {
      this.log.requestFlush()
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  async evict(): Promise<void> {
    await this.durable()
    const segments = readdirSync(this.directory).filter(name => name.endsWith('.log'))
    for (const name of segments)
      await promisify(execFile)('dd', [`if=${join(this.directory, name)}`, 'iflag=nocache', 'count=0', 'status=none'])
  }

  private anywhere(): number {
    const start = this.log.logStartOffset()
    return start + this.random.below(this.log.logEndOffset() - start + 1)
  }

  readonly deeds: Record<string, () => Promise<void> | void> = {
    roll: () => void this.log.roll(),
    append: () => this.append(2 << 20),
    rest: async () => {
      await this.durable()
      this.log.rest()
    },
    trim: () => void this.log.advanceStart(this.anywhere()),
    cut: () => {
      const near = Math.min(this.underWay + 1 + this.random.below(10), this.log.logEndOffset())
      const offset = this.random.below(4) === 0 ? this.anywhere() : Math.max(near, this.log.logStartOffset())
      assert.equal(this.log.truncateTo(offset), StatusCode.ok)
      this.life++
      this.append(4 << 20)
    },
    reset: () => {
      assert.equal(this.log.resetTo(0), StatusCode.ok)
      this.life++
      this.append(8 << 20)
    },
    'make again': async () => {
      await this.log.delete()
      this.log = await Subject.openLog(this.storage, this.directory)
      this.life++
      this.append(8 << 20)
    },
  }
}

test('what a client did not read stays what it was, or its connection ends, whatever its log goes through', {
  timeout: 120_000,
}, async t => {
  const { engine, storage } = openEngine(t)
  // The answers are measured, not the broker's patience.
  const { network, recorder, port } = startNetwork(t, engine, { connectionUnsentBytes: 1 << 30 })
  const root = temporaryDirectory(t)
  const stat = (name: keyof typeof EngineStat): number => engine.raw.stats()[EngineStat[name]]!
  const outcomes = { whole: 0, ended: 0 }
  for (let round = 0; round < rounds; round++) {
    const random = new SeededRandom(seed * 1_000 + round)
    const directory = join(root, `round-${round}-0`)
    const subject = await Subject.open(storage, directory, random)
    subject.append(unreadBytes / 2)
    // Every fourth client's bytes come from the disk.
    if (round % 4 === 3) await subject.evict()

    const promised: Buffer[] = []
    const answer = async (connection: number, offset: number): Promise<void> => {
      const { log } = subject
      const limit = log.logEndOffset()
      let [status, region, length] = [log.read(offset, 6 << 20, limit, true), log.lastRegion, log.lastRegionLength]
      if (status === StatusCode.wouldBlock)
        ({ status, region, length } = await log.readCold(offset, 6 << 20, limit, true))
      assert.equal(status, StatusCode.ok)
      const bytes = Buffer.from(`<${length}>`)
      const content = Buffer.alloc(length)
      assert.equal(storage.readRegion(region, 0, content), length)
      // Looking must not make it hot.
      if (round % 4 === 3) await subject.evict()
      promised.push(bytes, content)
      const splits: RegionSplit[] = length > 0 ? [{ position: bytes.length, region, length }] : []
      network.reply(connection, bytes, 0, bytes.length, splits, 0, splits.length)
      network.flush()
    }
    const answers: Promise<void>[] = []
    recorder.frame = ({ connection, arena, position, length }) => {
      const view = network.arenaView(arena)
      const offset = view.getFloat64(position)
      assert.equal(length, 8)
      network.releaseFrame(arena, position)
      const before = answers[answers.length - 1] ?? Promise.resolve()
      answers.push(before.then(() => answer(connection, offset)))
    }
    const reader = await LazyReader.open(t, port)
    const end = subject.log.logEndOffset()
    let asked = 0
    for (let bytes = 0; bytes < unreadBytes; asked++) {
      const request = Buffer.alloc(8)
      const offset = random.below(end)
      if (asked === 0) subject.underWay = offset
      request.writeDoubleBE(offset)
      reader.send(frameOf(request))
      await recorder.signal.until(() => answers.length > asked)
      await answers[asked]
      bytes = promised.reduce((sum, part) => sum + part.length, 0)
    }
    const total = promised.reduce((sum, part) => sum + part.length, 0)
    await reader.read(random.below(2) * random.below(20_000))

    const names = [...Object.keys(subject.deeds), 'cut', 'cut']
    const done: string[] = []
    for (let n = 1 + random.below(4); n > 0; n--) {
      const name = names[random.below(names.length)]!
      done.push(name)
      await subject.deeds[name]!()
      // A step of what is being sent may come in between.
      if (random.below(2) === 0) await reader.read(reader.bytes.length + random.below(1 << 20))
    }
    await reader.read(total)
    const got = reader.bytes
    const said = `seed ${seed}, round ${round}: ${done.join(', ')}`
    const expected = Buffer.concat(promised).subarray(0, got.length)
    if (!got.equals(expected)) {
      const at = got.findIndex((byte, index) => byte !== expected[index])
      assert.fail(`${said}: byte ${at} of ${total} is ${got[at]} where ${expected[at]} was promised`)
    }
    if (got.length < total) assert.ok(reader.ended, `${said}: ${got.length} of ${total} bytes, and the end is open`)
    outcomes[got.length === total ? 'whole' : 'ended']++
    reader.end()

    await subject.log.close(true)
    await recorder.signal.until(() => stat('connections') === 0)
    assert.equal(stat('liveRegions'), 0, said)
    assert.equal(stat('frames') - recorder.frames.length, 0, said)
    assert.equal(stat('frameBytesHeld'), 0, said)
    await untilClosed(directory)
  }
  t.diagnostic(`${outcomes.whole} answers came whole, ${outcomes.ended} ended early`)
})
