/** A figure of several runs: what to quote, and how far to trust it. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly runs: readonly number[]
}

// Digits beyond these are noise, and would make the JSON line unreadable.
const rounded = (value: number): number => Number(value.toPrecision(6))

export const spreadOf = (runs: readonly number[]): Spread => {
  if (runs.length === 0) throw new Error('no runs to summarise')
  const sorted = [...runs].sort((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  return {
    median: rounded((at(Math.floor(middle)) + at(Math.ceil(middle))) / 2),
    min: rounded(at(0)),
    max: rounded(at(sorted.length - 1)),
    runs: runs.map(rounded),
  }
}

/** Three significant digits, whole numbers from a thousand on, with separators: more would claim more than is known. */
export const figure = (value: number): string => {
  if (value !== 0 && Math.abs(value) < 1000) return String(Number(value.toPrecision(3)))
  return Math.round(value).toLocaleString('en-US')
}

/** `median (min–max)`, or the one value there is. */
export const spreadText = ({ median, min, max, runs }: Spread): string =>
  runs.length === 1 ? figure(median) : `${figure(median)} (${figure(min)}–${figure(max)})`
