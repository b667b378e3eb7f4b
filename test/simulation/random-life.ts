import { SeededRandom } from '../support/seeded-random.ts'
import type { Client } from './client.ts'
import { followUp } from './follow-up.ts'
import { latest, type Model, newModel } from './model.ts'
import { SimMachine } from './sim-machine.ts'
import { Crashed } from './sim-process.ts'
import { assertNothingUncaught, explained } from './sweep.ts'
import type { Survivors } from './verify.ts'
import { firstMs, Run } from './workload.ts'

const names = ['alpha', 'beta', 'gamma', 'delta']
const generations = 5
const errnos = { EIO: 5, ENOSPC: 28, EMFILE: 24 }
const settings: readonly [string, readonly string[]][] = [
  ['segment.ms', ['1000', '3000', '10000']],
  ['retention.ms', ['4000', '15000']],
  ['write.caching', ['true', 'false']],
  ['flush.messages', ['1', '5']],
  ['segment.index.bytes', ['24', '48']],
  ['index.interval.bytes', ['0', '500']],
  ['message.timestamp.type', ['LogAppendTime', 'CreateTime']],
]

/** One machine's life from a seed: random requests, crashes and failures, and after each all must be as promised. */
export async function randomLife(seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  const model = newModel()
  let machine = SimMachine.empty(seed)
  let nowMs = firstMs
  let survivors: Survivors = 'all'
  for (let generation = 0; generation < generations; generation++) {
    const fault = random.below(3)
    const n = machine.callCount + 1 + random.below(900)
    const [code, errno] = Object.entries(errnos)[random.below(3)]!
    const faulty = fault === 1
    const run = new Run(machine, model, seed * 10 + generation, { nowMs })
    await explained(
      machine,
      `generation ${generation} of SIM_LIFE=${seed} (${['crash', code, 'kill'][fault]} at ${n})`,
      () =>
        live(run, random, survivors, () => {
          if (fault === 0) machine.crashAfter(n)
          if (!faulty) return
          machine.failCall(n, errno)
          run.expectFailure(n)
        }),
    )
    nowMs = run.wallMs + random.below(20_000)
    const power = random.below(2) === 0
    survivors = power || run.syncFailed ? 'durable' : 'written'
    const left = machine.after(power ? 'power' : 'kill', random.below(1 << 30))
    machine.drop()
    machine = left
  }
  const run = new Run(machine, model, seed * 10 + generations, { nowMs })
  await explained(machine, `the end of SIM_LIFE=${seed}`, async () => {
    await run.start()
    await run.look(survivors)
    await run.do(followUp)
    await run.stop()
  })
  machine.drop()
}

/** From the start of a process to its end, on what the one before it has left. */
async function live(run: Run, random: SeededRandom, survivors: Survivors, arm: () => void): Promise<void> {
  try {
    await run.start()
    await run.look(survivors)
    const again = random.below(2) === 0
    if (again || random.below(2) === 0) await run.do(followUp)
    if (again) await run.stop()
    arm()
    if (again) await run.start()
    for (let steps = 5 + random.below(30); steps > 0; steps--) await step(run, random)
  } catch (error) {
    if (!(error instanceof Crashed)) throw error
  } finally {
    await run.kill()
  }
  assertNothingUncaught()
}

async function step(run: Run, random: SeededRandom): Promise<void> {
  switch (random.below(12)) {
    case 0:
      return await run.advance(random.below(9_000))
    case 1:
      await (random.below(2) === 0 ? run.stop() : run.kill())
      return await run.start()
    case 2:
      return void (await run.do(client => client.initProducer()))
    case 3:
      await run.advance(300) // What is only written by now is not seen before it is durable.
      return await run.look('written')
    default: {
      const chosen = names.filter(() => random.below(2) === 0)
      await run.do(client => Promise.all(chosen.map(name => act(client, name, random))))
    }
  }
}

/** Something about one topic. */
async function act(client: Client, name: string, random: SeededRandom): Promise<void> {
  const { model } = client
  const life = latest(model, name)
  if (life === undefined) {
    const configs = settings
      .filter(() => random.below(4) === 0)
      .map(([config, values]) => [config, pick(values, random)])
    await client.createTopic(name, 1 + random.below(2), Object.fromEntries(configs))
    return
  }
  const partition = random.below(life.logs.length)
  const end = client.endOf(name, partition)
  switch (random.below(18)) {
    case 16:
    case 17:
      await client.commit(name)
      return
    case 0:
      await client.deleteTopic(name)
      return
    case 1:
      if (life.logs.length < 3) await client.addPartitions(name, life.logs.length + 1)
      return
    case 2: {
      const [config, values] = pick(settings, random)
      await client.alterConfig(name, config, random.below(3) === 0 ? undefined : pick(values, random))
      return
    }
    case 3:
    case 4:
      if (life.logs[partition]?.unsure === false) await client.deleteRecords(name, partition, random.below(end + 1))
      return
    default:
      await client.produce(name, partition, {
        records: 1 + random.below(5),
        valueBytes: 40 + random.below(1_500),
        ...(random.below(3) === 0 ? { acks: 1 } : { acks: -1, producerId: producerOf(model, random) }),
      })
  }
}

function producerOf(model: Model, random: SeededRandom): bigint | undefined {
  const ids = [...model.producerIds]
  return ids.length === 0 ? undefined : ids[Math.max(0, ids.length - 1 - random.below(2))]
}

const pick = <T>(list: readonly T[], random: SeededRandom): T => list[random.below(list.length)]!
