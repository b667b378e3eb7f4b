/** What a run of the simulation tries; `node tools/suites.mjs simulation` takes all of it from the environment. */
const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise)

/** Draws the order of work on simulated threads, and the fates of what was not synced. */
export const seed = number('SIM_SEED', 1)
/** One call of so many is tried; 1 is the complete sweep, which takes some minutes. */
export const stride = number('SIM_STRIDE', 17)
/** One call alone, to see a failure again. */
export const only = process.env.SIM_CALL === undefined ? undefined : Number(process.env.SIM_CALL)
/** One random life alone, likewise. */
export const onlyLife = process.env.SIM_LIFE === undefined ? undefined : Number(process.env.SIM_LIFE)
/** How long random lives are lived. */
export const seconds = number('SIM_SECONDS', 20)

/** The calls to try, of `count`. */
export function chosenCalls(count: number, offset: number): number[] {
  if (only !== undefined) return [only]
  const from = 1 + ((offset + seed) % stride)
  return Array.from(
    { length: Math.max(0, Math.ceil((count - from + 1) / stride)) },
    (_, index) => from + index * stride,
  )
}
