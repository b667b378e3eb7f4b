import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Percentiles } from '../../../bench/lib/loadgen.ts'
import { pageOf } from '../../../bench/lib/page.ts'
import type { Results, SideResult } from '../../../bench/lib/results.ts'
import { spreadOf } from '../../../bench/lib/spread.ts'
import { barChart, lineChart } from '../../../bench/lib/svg.ts'

const micros = (scale: number): Percentiles => ({
  count: 10_000,
  mean: scale,
  p50: scale,
  p90: scale * 2,
  p99: scale * 3,
  p99_9: scale * 4,
  p99_99: scale * 5,
  max: scale * 6,
  curve: [
    [50, scale],
    [99, scale * 3],
    [99.9, scale * 4],
  ],
})

const side = (name: string, scale: number): SideResult => ({
  side: name,
  raw: false,
  durability: 'page <cache>',
  figures: { rate: spreadOf([scale, scale * 2, scale * 3]) },
  runs: [
    {
      load: {},
      latencies: { acknowledged: micros(scale), 'end to end': micros(scale * 2) },
      slices: [micros(scale), micros(scale)],
      samples: [
        { seconds: 1, memory: { resident: 90, unmapped: 40 }, deviceMB: 10 },
        { seconds: 2, memory: { resident: 90, unmapped: 41 }, deviceMB: 20 },
      ],
    },
  ],
})

const results: Results = {
  finished: '2026-01-01T00:00:00.000Z',
  command: ['--peer', 'kafka'],
  machine: { cpu: 'x', cores: 2, memoryGiB: 24, kernel: '6', node: 'v20', fileSystem: 'ext4', commit: 'abc' },
  memory: { limitBytes: 4e9, text: 'each broker in 4 GB' },
  rows: [
    {
      bench: 'produce',
      row: 'records & requests',
      acks: '1',
      promised: 'written',
      fillsMemory: true,
      commit: 'abc',
      columns: [{ key: 'rate', title: 'MB/s' }],
      sides: [side('millrace', 100), side('kafka', 50)],
      verdicts: [
        { key: 'rate', title: 'MB/s', against: 'peer', atLeast: 3, value: 2, runs: [2, 2, 2], reached: false },
      ],
    },
  ],
}

describe('the page', () => {
  const page = pageOf(results)

  it('loads nothing and runs nothing', () => {
    assert.doesNotMatch(page, /<script|https?:|url\(|@import|<link|<img| src=/)
  })

  it('closes what it opens, and lets no text be taken for markup', () => {
    const open: string[] = []
    for (const [, closing, name = '', rest = ''] of page.matchAll(/<(\/?)([a-z0-9]+)([^>]*)>/g)) {
      if (closing === '/') assert.equal(open.pop(), name)
      else if (!rest.endsWith('/') && name !== 'meta') open.push(name)
    }
    assert.deepEqual(open, [])
    assert.ok(!page.includes('page <cache>') && page.includes('page &#60;cache&#62;'))
  })

  it('shows each figure with its range, its verdict, how memory was held and what was asked', () => {
    assert.match(page, /200 \(100–300\)/)
    assert.match(page, /NOT REACHED: MB\/s 2 × peer, wanted at least 3/)
    assert.match(page, /Figures to reach: 0 of 1/)
    assert.match(page, /each broker in 4 GB/)
    assert.match(page, /--peer kafka/)
  })

  it('draws bars, percentile curves and the time lines of sliced rows, every number of them finite', () => {
    assert.equal(page.match(/<svg/g)?.length, 5)
    assert.doesNotMatch(page, /NaN|Infinity|undefined/)
  })
})

describe('plots', () => {
  it('give the longest whisker the whole width, and the others their share', () => {
    const colour = '#000'
    const chart = barChart('rate', [
      { label: 'a', colour, median: 50, min: 40, max: 100 },
      { label: 'b', colour, median: 25, min: 25, max: 25 },
    ])
    const widths = [...chart.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(match => Number(match[1]))
    assert.ok(Math.abs((widths[0] ?? 0) - 2 * (widths[1] ?? 0)) < 0.3, widths.join(' and '))
  })

  it('put equal factors at equal distances on a logarithmic axis', () => {
    const points: [number, number][] = [
      [0, 1],
      [1, 10],
      [2, 100],
    ]
    const chart = lineChart('t', { title: 'x', scale: 'linear' }, { title: 'y', scale: 'log' }, [
      { name: 's', colour: '#000', points },
    ])
    const [a = 0, b = 0, c = 0] = [...(/points="([^"]+)"/.exec(chart)?.[1] ?? '').matchAll(/,([\d.]+)/g)].map(match =>
      Number(match[1]),
    )
    assert.ok(a > b && b > c && Math.abs(a - b - (b - c)) < 0.2, `${a} ${b} ${c}`)
  })

  it('survive a value that never changes, zeros, and nothing at all', () => {
    const axes = [
      { title: 'x', scale: 'linear' as const },
      { title: 'y', scale: 'log' as const },
    ] as const
    const flat = lineChart('t', ...axes, [{ name: 's', colour: '#000', points: [[1, 5]] }])
    assert.doesNotMatch(flat, /NaN|Infinity/)
    const noLogarithm = lineChart('t', ...axes, [{ name: 's', colour: '#000', points: [[1, 0]] }])
    assert.doesNotMatch(noLogarithm, /NaN|Infinity/)
    const zeros = lineChart('t', axes[0], axes[0], [{ name: 's', colour: '#000', points: [[0, 0]] }])
    assert.doesNotMatch(zeros, /NaN|Infinity/)
    assert.equal(lineChart('t', ...axes, []), '')
    assert.doesNotMatch(barChart('t', [{ label: 'a', colour: '#000', median: 0, min: 0, max: 0 }]), /NaN|Infinity/)
  })
})
