import assert from 'node:assert/strict'
import { followUp } from './follow-up.ts'
import { copyOf, type Model, newModel } from './model.ts'
import { type CrashMode, SimMachine } from './sim-machine.ts'
import { Crashed, dataDirectory } from './sim-process.ts'
import { type Survivors, verify } from './verify.ts'
import { Run, type RunOptions, recordedWorkload } from './workload.ts'

const callsShown = 60

/** Rejections that nobody took, and errors that nobody caught: each would have ended the process. */
const uncaught: unknown[] = []
process.on('unhandledRejection', error => uncaught.push(error))
process.on('uncaughtException', error => uncaught.push(error))

export function assertNothingUncaught(): void {
  const [error] = uncaught.splice(0)
  if (error !== undefined) throw new Error('an error was not caught', { cause: error })
}

/** Runs the recorded workload up to its end or the crash of its machine. */
async function record(run: Run, workload: (run: Run) => Promise<void> = recordedWorkload): Promise<'done' | 'crashed'> {
  try {
    await workload(run)
    return 'done'
  } catch (error) {
    if (!(error instanceof Crashed)) throw error
    return 'crashed'
  } finally {
    await run.kill()
  }
}

/** How many calls to the disk the workload makes. */
export async function callsOfWorkload(seed: number): Promise<number> {
  const machine = SimMachine.empty(seed)
  try {
    assert.equal(await record(new Run(machine, newModel(), seed)), 'done')
    return machine.callCount
  } finally {
    machine.drop()
  }
}

/** The broker comes up on what is left, has what it must have, serves on, and has it again after a clean restart. */
async function recover(machine: SimMachine, model: Model, seed: number, nowMs: number, survivors: Survivors) {
  const run = new Run(machine, model, seed, { nowMs })
  try {
    await run.start()
    await run.do(client => verify(client, survivors))
    assertNothingLeft(machine)
    await run.do(followUp)
    await run.stop()
    await run.start()
    await run.do(client => verify(client, 'all'))
  } finally {
    await run.kill()
  }
}

/** The machine crashes again while the broker comes back. */
async function crashWhileRecovering(machine: SimMachine, model: Model, seed: number, nowMs: number, after: number) {
  machine.crashAfter(after)
  const run = new Run(machine, model, seed, { nowMs })
  try {
    await run.start()
    await run.do(client => verify(client, 'durable'))
    await run.do(followUp)
  } catch (error) {
    if (!(error instanceof Crashed)) throw error
  } finally {
    await run.kill()
  }
  const again = machine.after('power', seed + 1)
  try {
    await recover(again, model, seed + 2, run.wallMs + 1_000, 'durable')
  } finally {
    again.drop()
  }
}

const survivorsOf = (mode: CrashMode): Survivors => (mode === 'kill' ? 'written' : 'durable')

/** A crash before the n-th call of the workload; each fate of the disk is tried that `powerSeeds` draw. */
export async function crashAt(
  n: number,
  seed: number,
  powerSeeds: number,
  between?: RunOptions['between'],
): Promise<void> {
  const machine = SimMachine.empty(seed)
  machine.crashAfter(n)
  const run = new Run(machine, newModel(), seed, { between })
  try {
    await record(run)
    const nowMs = run.wallMs + 1_000
    const tries: [CrashMode, number][] = [['kill', seed]]
    for (let i = 0; i < powerSeeds; i++) tries.push(['power', seed * 1_000 + n * 10 + i])
    for (const [mode, fate] of tries) {
      await explained(
        machine,
        `a crash (${mode}, fate ${fate}) at call ${n} (SIM_SEED=${seed} SIM_CALL=${n})`,
        async () => {
          const left = machine.after(mode, fate)
          try {
            await recover(left, copyOf(run.model), fate, nowMs, survivorsOf(mode))
          } finally {
            left.drop()
          }
          assertNothingUncaught()
        },
      )
    }
    const fate = seed * 1_000 + n
    await explained(
      machine,
      `two crashes (fate ${fate}), the first at call ${n} (SIM_SEED=${seed} SIM_CALL=${n})`,
      async () => {
        const left = machine.after('power', fate)
        try {
          await crashWhileRecovering(left, copyOf(run.model), fate, nowMs, 1 + (fate % 211))
        } finally {
          left.drop()
        }
        assertNothingUncaught()
      },
    )
  } finally {
    machine.drop()
  }
}

/** The n-th call of the workload fails; afterwards the disk is well again, and the broker is started anew. */
export async function failAt(n: number, seed: number, errno: number): Promise<void> {
  const machine = SimMachine.empty(seed)
  machine.failCall(n, errno)
  const run = new Run(machine, newModel(), seed, { failingCall: n })
  try {
    await explained(machine, `errno ${errno} of call ${n} (SIM_SEED=${seed} SIM_CALL=${n})`, async () => {
      await record(run)
      assertNothingUncaught()
      const left = machine.after('kill', n)
      try {
        await recover(left, copyOf(run.model), n, run.wallMs + 1_000, run.syncFailed ? 'durable' : 'written')
      } finally {
        left.drop()
      }
      assertNothingUncaught()
    })
  } finally {
    machine.drop()
  }
}

/** No directory was set aside or forgotten: each belongs to a topic. None has a file that was not written to its end. */
function assertNothingLeft(machine: SimMachine): void {
  const directories = machine.list(dataDirectory)
  const left = directories.filter(name => /-(stray|delete)$/.test(name))
  assert.deepEqual(left, [], 'directories that belong to nobody')
  for (const name of directories.filter(name => /-\d+$/.test(name))) {
    const unfinished = machine.list(`${dataDirectory}/${name}`).filter(file => file.endsWith('.tmp'))
    assert.deepEqual(unfinished, [], `half written files in ${name}`)
  }
}

/** Says with a failure how to see it again, and what the disk was asked for. */
export async function explained(machine: SimMachine, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (cause) {
    const calls = machine.calls.map((call, index) => `${index + 1} ${call}`)
    const shown = calls.slice(-callsShown).join('\n')
    throw new Error(`After ${what}:\n${String(cause)}\nThe disk's last calls:\n${shown}`, { cause })
  }
}
