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

/** A computation in steps as one that hands its result to `done`, in a turn of its own if it took more than one. */
export function* slicesOf<Result>(work: Generator<number, Result, unknown>, done: (result: Result) => void): Steps {
  let cost = 0
  let step = work.next()
  for (; step.done !== true; step = work.next()) {
    cost += step.value
    yield step.value
  }
  if (cost >= sliceCost) yield sliceCost
  done(step.value)
}
