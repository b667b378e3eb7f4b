import { figure } from './spread.ts'

/** Plots as SVG text: no script, no style sheet, nothing loaded from anywhere. */

export const escapeXml = (text: string): string => text.replace(/[&<>"']/g, letter => `&#${letter.charCodeAt(0)};`)

export interface Bar {
  readonly label: string
  readonly colour: string
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Series {
  readonly name: string
  readonly colour: string
  readonly dashed?: boolean
  /** Left to right. */
  readonly points: readonly (readonly [number, number])[]
}

export interface Axis {
  readonly title: string
  readonly scale: 'linear' | 'log'
  /** Where values are marked, and with what; by default at even steps, or each power of ten. */
  readonly ticks?: readonly { readonly at: number; readonly text: string }[]
}

const width = 680
const round = (value: number): string => String(Math.round(value * 10) / 10)

const text = (x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end' = 'start'): string =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escapeXml(words)}</text>`

const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${kind}"/>`

const frame = (height: number, title: string, parts: readonly string[]): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">${parts.join('')}</svg>`

/** A length from zero for each median, and a whisker from the lowest to the highest run. */
export const barChart = (title: string, bars: readonly Bar[]): string => {
  const letterWidth = 6.6
  const left = Math.min(width / 2, 16 + letterWidth * Math.max(...bars.map(bar => bar.label.length)))
  const right = width - 100
  const step = 30
  const top = 26
  const most = Math.max(...bars.map(bar => bar.max), Number.MIN_VALUE)
  const x = (value: number): number => left + (value / most) * (right - left)
  const parts = bars.map((bar, i) => {
    const y = top + i * step
    const middle = y + 9
    return [
      text(left - 8, middle + 4, bar.label, 'end'),
      `<rect x="${round(left)}" y="${y}" width="${round(x(bar.median) - left)}" height="18" fill="${bar.colour}"/>`,
      line(x(bar.min), middle, x(bar.max), middle, 'whisker'),
      line(x(bar.min), middle - 5, x(bar.min), middle + 5, 'whisker'),
      line(x(bar.max), middle - 5, x(bar.max), middle + 5, 'whisker'),
      text(Math.max(x(bar.max), x(bar.median)) + 8, middle + 4, figure(bar.median)),
    ].join('')
  })
  return frame(top + bars.length * step + 6, title, [text(0, 14, title), ...parts])
}

interface Scaled {
  readonly low: number
  readonly high: number
  place(value: number): number
  readonly ticks: readonly { readonly at: number; readonly text: string }[]
}

/** Steps of 1, 2 or 5 times a power of ten, at most about six. */
const evenTicks = (low: number, high: number): number[] => {
  const rough = (high - low) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find(times => times * power >= rough) ?? 10) * power
  const first = Math.ceil(low / step)
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step)
}

const scaled = (axis: Axis, values: readonly number[], from: number, to: number): Scaled => {
  const log = axis.scale === 'log'
  const shown = log ? values.filter(value => value > 0) : values
  const least = Math.min(...(shown.length > 0 ? shown : [1]))
  const most = Math.max(...(shown.length > 0 ? shown : [1]))
  const low = log ? 10 ** Math.floor(Math.log10(least)) : Math.min(0, least)
  const top = log ? 10 ** Math.ceil(Math.log10(most)) : most
  const high = top > low ? top : log ? low * 10 : low + 1
  const share = (value: number): number =>
    log ? Math.log10(Math.max(value, low) / low) / Math.log10(high / low) : (value - low) / (high - low)
  const powers = (): number[] => Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, i) => low * 10 ** i)
  const at = log ? powers() : evenTicks(low, high)
  const ticks = axis.ticks ?? at.map(value => ({ at: value, text: figure(Number(value.toPrecision(6))) }))
  return { low, high, place: value => from + share(value) * (to - from), ticks }
}

/** Lines over common axes, with their names beside them. */
export const lineChart = (title: string, xAxis: Axis, yAxis: Axis, series: readonly Series[]): string => {
  const height = 300
  const [left, right, top, bottom] = [64, width - 190, 30, height - 44]
  const drawn = series.filter(({ points }) => points.length > 0)
  if (drawn.length === 0) return ''
  const all = drawn.flatMap(({ points }) => points)
  const x = scaled(xAxis, [...all.map(point => point[0]), ...(xAxis.ticks ?? []).map(tick => tick.at)], left, right)
  const y = scaled(
    yAxis,
    all.map(point => point[1]),
    bottom,
    top,
  )
  const lines = drawn.map(({ points, colour, dashed }) => {
    const path = points.map(([px, py]) => `${round(x.place(px))},${round(y.place(py))}`).join(' ')
    return `<polyline points="${path}" fill="none" stroke="${colour}"${dashed === true ? ' stroke-dasharray="5 3"' : ''}/>`
  })
  const names = [...new Map(drawn.map(each => [each.name, each])).values()].map(({ name, colour, dashed }, i) => {
    const at = top + 10 + i * 20
    const dash = dashed === true ? ' stroke-dasharray="5 3"' : ''
    return `<line x1="${right + 10}" y1="${at}" x2="${right + 30}" y2="${at}" stroke="${colour}"${dash}/>${text(right + 35, at + 4, name)}`
  })
  return frame(height, title, [
    text(0, 14, title),
    ...y.ticks.map(
      tick =>
        line(left, y.place(tick.at), right, y.place(tick.at), 'grid') +
        text(left - 6, y.place(tick.at) + 4, tick.text, 'end'),
    ),
    ...x.ticks.map(
      tick =>
        line(x.place(tick.at), bottom, x.place(tick.at), bottom + 4, 'grid') +
        text(x.place(tick.at), bottom + 18, tick.text, 'middle'),
    ),
    text(right, bottom + 36, xAxis.title, 'end'),
    text(left, top - 4, yAxis.title),
    ...lines,
    ...names,
  ])
}

/** Percentiles as latencies are read: each step to the right leaves a tenth of the samples. */
export const percentileAxis: Axis = {
  title: 'percentile',
  scale: 'linear',
  ticks: [50, 90, 99, 99.9, 99.99].map(percentile => ({
    at: -Math.log10(1 - percentile / 100),
    text: String(percentile),
  })),
}
export const percentilePlace = (percentile: number): number => -Math.log10(1 - percentile / 100)
