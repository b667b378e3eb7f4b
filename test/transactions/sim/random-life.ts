import { SeededRandom } from '../../support/seeded-random.ts'
import { startTrial, type TrialOptions, type TrialReport } from '../lib/trial.ts'
import { SimulatedBroker } from './simulated-broker.ts'
import { SimulatedSurroundings } from './simulated-wire.ts'

const trial: TrialOptions = {
  topic: 't',
  partitions: 3,
  writers: 2,
  movers: 1,
  readers: 1,
  transactionTimeoutMs: 1_000,
  durationMs: 2_500,
  pauseMs: 20,
  lifeMs: 600,
  transactionVersions: [1, 2],
}
const faults = { lost: 0.01, late: 0.02, unanswered: 0.02, slow: 0.04, lateMs: 1_500, slowMs: 150 }
const configs = { 'transaction.state.log.num.partitions': '2' }
/** Of virtual time; nothing takes that long. */
const limitMs = 60_000

/** One life of a broker and its clients: which faults there are, and when, is the seed's. */
export async function randomLife(seed: number): Promise<TrialReport & { readonly crashes: number }> {
  const random = new SeededRandom(seed)
  const broker = new SimulatedBroker(random, seed, configs)
  await broker.start()
  const faulty = new SimulatedSurroundings(random, broker, random.chance(0.8) ? faults : undefined)
  const direct = new SimulatedSurroundings(random, broker)
  broker.onCrash = () => {
    faulty.loseAll()
    direct.loseAll()
  }
  const crashEveryMs = random.chance(0.8) ? random.between(150, 1_500) : Number.POSITIVE_INFINITY
  const { faultsOver, violations, report } = startTrial(faulty, direct, trial)
  let over = false
  void faultsOver.then(() => {
    over = true
    faulty.faults = direct.faults
  })
  let done = false
  const reported = report.finally(() => {
    done = true
  })
  reported.catch(() => {})
  let nextCrashMs = crashEveryMs * random.next() * 2
  while (!done) {
    const nowMs = broker.clients.monotonicMs()
    if (nowMs > limitMs) throw new Error(`it comes to no end: ${violations[0] ?? 'nothing was broken'}`)
    if (broker.running === undefined) {
      // It is away for some steps, and clients meet nobody.
      for (let steps = random.below(20); steps > 0; steps--) await broker.step()
      await broker.start()
    } else if (!over && nowMs >= nextCrashMs) {
      broker.crash(random.chance(0.5))
      nextCrashMs = nowMs + crashEveryMs * random.next() * 2
    } else await broker.step()
  }
  const told = await reported
  await broker.stop()
  return { ...told, crashes: broker.crashes }
}
