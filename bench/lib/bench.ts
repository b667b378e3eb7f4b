import { measureRow, prepare } from './measure.ts'
import { type Defaults, parseOptions } from './options.ts'
import { type Question, reportRow, writeJson } from './report.ts'

/** The whole of a bench command: options, preparation, every row of every question, the results. */
export const runBench = async (name: string, questions: readonly Question[], defaults: Defaults): Promise<void> => {
  const options = parseOptions(name, defaults)
  const wanted = (row: string): boolean => options.rows.length === 0 || options.rows.some(text => row.includes(text))
  const selected = questions.map(question => ({ ...question, rows: question.rows.filter(row => wanted(row.name)) }))
  if (selected.every(question => question.rows.length === 0)) {
    const names = questions.flatMap(question => question.rows.map(row => row.name))
    console.error(`No row is called that. There are:\n  ${names.join('\n  ')}`)
    process.exitCode = 2
    return
  }
  const { machine, memory } = await prepare(options)
  const results: object[] = []
  try {
    for (const question of selected) {
      for (const row of question.rows) {
        try {
          results.push(reportRow(question, await measureRow(row, options, memory), machine))
        } catch (error) {
          // A row that cannot be measured says why; the others are still worth having.
          console.error(`\n${question.name}: ${row.name}: ${error instanceof Error ? error.message : String(error)}`)
          process.exitCode = 1
        }
      }
    }
  } finally {
    await memory.remove()
  }
  writeJson(options.jsonFile, machine, memory.note, results)
}
