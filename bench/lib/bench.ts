import { measureRow, prepare } from './measure.ts'
import { type BenchOptions, type Defaults, parseOptions } from './options.ts'
import { writePage } from './page.ts'
import { durationText, estimateSeconds, Progress } from './progress.ts'
import { printRow, printVerdicts, type Question } from './report.ts'
import { collect, type RowResult, resultOf, writeJson } from './results.ts'

/** Rows are asked for by any part of their name; where none are, a bench of many questions leaves some out. */
const selectRows = (questions: readonly Question[], texts: readonly string[], besides: boolean): Question[] => {
  const wanted = (row: string): boolean => texts.some(text => row.includes(text))
  return questions.map(question => ({
    ...question,
    rows: question.rows.filter(row =>
      texts.length === 0 ? besides || row.besides !== true : wanted(`${question.name}: ${row.name}`),
    ),
  }))
}

/** Something that is measured another way than by a load. */
export interface Extra {
  readonly name: string
  measure(options: BenchOptions, commit: string): Promise<RowResult>
}

/**
 * All of a bench command: options, preparation, every row of every question, the results. `whole` is the bench of
 * everything: rows beside others are left out of it, and extras follow.
 */
export const runBench = async (
  name: string,
  questions: readonly Question[],
  defaults: Defaults,
  whole?: { readonly extras: readonly Extra[] },
): Promise<void> => {
  const extras = whole?.extras ?? []
  const options = parseOptions(name, defaults)
  const selected = selectRows(questions, options.rows, whole === undefined)
  const rows = selected.flatMap(question => question.rows)
  // They start brokers themselves.
  const wantedExtras =
    options.target !== undefined
      ? []
      : extras.filter(extra => options.rows.length === 0 || options.rows.some(text => extra.name.includes(text)))
  if (rows.length + wantedExtras.length === 0) {
    const names = questions.flatMap(question => question.rows.map(row => `${question.name}: ${row.name}`))
    console.error(`No row is called that. There are:\n  ${[...names, ...extras.map(extra => extra.name)].join('\n  ')}`)
    process.exitCode = 2
    return
  }
  const { machine, memory } = await prepare(options)
  const others = wantedExtras.map(extra => `, then ${extra.name}`).join('')
  const estimate = durationText(estimateSeconds(rows, options))
  console.log(`${rows.length} rows, ${options.runs} runs of each side: about ${estimate}${others}`)
  const results: RowResult[] = []
  // After each row: a bench of an hour that is interrupted leaves what it has.
  const keep = (result: RowResult): void => {
    results.push(result)
    const all = collect(machine, memory.note, results)
    if (options.jsonFile !== undefined) writeJson(options.jsonFile, all)
    if (options.htmlFile !== undefined) writePage(options.htmlFile, all)
  }
  // What cannot be measured says why; the rest is still worth having.
  const orSay = async (what: string, act: () => Promise<void>): Promise<void> => {
    try {
      await act()
    } catch (error) {
      console.error(`\n${what}: ${error instanceof Error ? error.message : String(error)}`)
      process.exitCode = 1
    }
  }
  const progress = new Progress(rows, options)
  try {
    for (const question of selected) {
      for (const row of question.rows) {
        await orSay(`${question.name}: ${row.name}`, async () => {
          const runs = await measureRow(row, options, memory, (turn, side) => progress.show(row, turn, side.name))
          progress.clear()
          const result = resultOf(question.name, question.columns, runs, machine)
          printRow(question, runs, result)
          keep(result)
        })
        progress.rowDone(row)
      }
    }
    for (const extra of wantedExtras) {
      await orSay(extra.name, async () => keep(await extra.measure(options, machine.commit)))
    }
  } finally {
    progress.clear()
    await memory.remove()
  }
  printVerdicts(results)
  for (const file of [options.jsonFile, options.htmlFile]) if (file !== undefined) console.log(`wrote ${file}`)
}
