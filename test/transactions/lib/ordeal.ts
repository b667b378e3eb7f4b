import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '../../support/seeded-random.ts'
import { BuiltBroker } from './built-broker.ts'
import { type Faults, FaultyProxy, noFaults } from './proxy.ts'
import { RealSurroundings } from './real-wire.ts'
import { startTrial, type TrialOptions, type TrialReport } from './trial.ts'

export const usualFaults: Faults = { lost: 0.005, late: 0.01, unanswered: 0.01, slow: 0.02, lateMs: 1_500, slowMs: 300 }

export const usualTrial: TrialOptions = {
  topic: 't',
  partitions: 3,
  writers: 3,
  movers: 1,
  readers: 2,
  transactionTimeoutMs: 3_000,
  durationMs: 10_000,
  pauseMs: 20,
  lifeMs: 1_500,
  transactionVersions: [1, 2],
}

/** Within so long each point is reached. */
const pointMs = 15_000

export interface OrdealOptions {
  /** What `buildBroker` made. */
  readonly program: string
  readonly seed: number
  readonly faults?: Faults
  /** The broker is killed about that often; 0: never. */
  readonly killEveryMs?: number
  /** Points (kill-points.ts) at which the broker ends itself, one after the other; then the trial is over. */
  readonly killAt?: readonly string[]
  readonly trial?: Partial<TrialOptions>
  readonly config?: Readonly<Record<string, string>>
}

/** What becomes of a broker's promises while its clients, its connections and itself are killed. */
export async function ordeal({
  program,
  seed,
  faults = usualFaults,
  killEveryMs = 0,
  killAt = [],
  trial: given = {},
  config = {},
}: OrdealOptions): Promise<TrialReport> {
  const chance = new SeededRandom(seed + 2)
  const at = (point: string | undefined) =>
    point === undefined ? {} : { MILLRACE_KILL_AT: point, MILLRACE_KILL_AFTER: `${chance.between(2, 6)}` }
  const broker = await BuiltBroker.start(program, config, at(killAt[0]))
  const proxy = await FaultyProxy.open(broker, new SeededRandom(seed), faults)
  try {
    const random = new SeededRandom(seed + 1)
    const through = new RealSurroundings(random, proxy.address)
    let left = killAt.length
    const options = { ...usualTrial, ...given, ...(left > 0 && { enough: () => left === 0 }) }
    const trial = startTrial(through, new RealSurroundings(random, broker), options)
    let over = false
    void trial.faultsOver.then(() => {
      over = true
      proxy.faults = noFaults
    })
    const killing = async () => {
      while (killEveryMs > 0 && !over) {
        await sleep(killEveryMs * (0.5 + chance.next()))
        await broker.kill9()
        await broker.start()
      }
    }
    const killingItself = async () => {
      for (const [i, point] of killAt.entries()) {
        await broker.ended(pointMs).catch(() => Promise.reject(new Error(`the broker never came to: ${point}`)))
        await broker.start(at(killAt[i + 1]))
        left--
      }
    }
    const [report] = await Promise.all([trial.report, killing(), killingItself()])
    return report
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).stack}\n${broker.log?.tail ?? ''}`)
  } finally {
    proxy.close()
    await broker.destroy()
  }
}
