import type { Turn } from './shard.ts'

/** Long work in steps: each yields what it cost, about in microseconds, and is given the turn that the next belongs to. */
export type Steps = Generator<number, void, Turn>

/** What one turn may cost: a step of this much is the last of its turn. */
export const sliceCost = 500

/** Takes steps for about half a millisecond a turn, in turns of their own under `key`, and ends with `done`. */
export function runInSlices(key: string, steps: Steps, turn: Turn, done: (turn: Turn) => void): void {
  for (let cost = 0; cost < sliceCost; ) {
    const step = steps.next(turn)
    if (step.done === true) {
      done(turn)
      return
    }
    cost += step.value
  }
  turn.after(key, 0, next => runInSlices(key, steps, next, done))
}
