import type { Edit } from './edits.ts'

// The broker under test ends itself, as by kill -9, when it gets to the point that MILLRACE_KILL_AT names for the
// MILLRACE_KILL_AFTER-th time. The points are put into its source when it is bundled: nothing of them is in the product.

const states = ['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort'] as const
const stateNames = JSON.stringify(states)

const reached = (name: string): string =>
  `if (process.env.MILLRACE_KILL_AT === ${name} && --(globalThis as any).millraceKillsIn === 0) process.kill(process.pid, 'SIGKILL')`

/** Each transition of the coordinator before and after it is in the log, and the steps of the markers. */
export const killPoints: readonly string[] = [
  ...states.flatMap(state => [`${state} decided`, `${state} appended`]),
  'decision committed',
  'markers appended',
  'markers durable',
]

export const killing: readonly Edit[] = [
  {
    file: 'src/app/main.ts',
    find: "import { parseArgs } from 'node:util'",
    replace:
      "import { parseArgs } from 'node:util'\n;(globalThis as any).millraceKillsIn = Number(process.env.MILLRACE_KILL_AFTER ?? 1)",
  },
  {
    file: 'src/coordinator/transaction/transaction-states.ts',
    find: 'turn.append(this.recordOf(metadata))',
    replace: `const state = ${stateNames}[metadata.state]
    ${reached('`${state} decided`')}
    // The turns of one turn of the loop are one batch, appended when they are over.
    setImmediate(() => { ${reached('`${state} appended`')} })
    turn.append(this.recordOf(metadata))`,
  },
  {
    file: 'src/coordinator/transaction/endings.ts',
    find: 'this.sender = { answered: job => context.writeMarkers(job) }',
    replace: `this.sender = { answered: job => { ${reached("'decision committed'")}; context.writeMarkers(job) } }`,
  },
  {
    file: 'src/coordinator/transaction/marker-writer.ts',
    find: "if (waiters.length > 0) this.parts.reached?.('markers appended')",
    replace: `if (waiters.length > 0) { ${reached("'markers appended'")} }`,
  },
  {
    file: 'src/coordinator/transaction/marker-writer.ts',
    find: "this.parts.reached?.('markers durable')",
    replace: reached("'markers durable'"),
  },
]
