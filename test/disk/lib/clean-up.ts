import type { TestContext } from 'node:test'

type Step = () => void | Promise<void>

const stepsOf = new WeakMap<TestContext, Step[]>()

/** Runs `step` when the test ends, however it ends; the last one that was asked for goes first, and none keeps another. */
export function atEnd(t: TestContext, step: Step): void {
  const known = stepsOf.get(t)
  if (known !== undefined) {
    known.push(step)
    return
  }
  const steps = [step]
  stepsOf.set(t, steps)
  t.after(async () => {
    const errors: unknown[] = []
    for (const each of steps.reverse()) {
      try {
        await each()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  })
}
