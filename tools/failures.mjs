// Why suites failed, out of what they printed, for the end of a long run: `node tools/failures.mjs NAME=LOG…`. Where only
// the tail of an output is kept, this is what has to be in it.
import { readFileSync } from 'node:fs'

const linesPerFailure = 15
const framesPerFailure = 3
const linesInAll = 100
const charactersPerLine = 240

/** What a failure begins with: of node:test, our own checks, doctest, the sanitizers, libFuzzer, compilers. */
const failureStart =
  /^\s*✖ (?!failing tests:)|: (?:FATAL )?ERROR: |(?:ERROR|WARNING): \w+Sanitizer|: runtime error: |ERROR: libFuzzer|: (?:fatal )?error: /
/** What begins with something else, and so ends the failure before it. */
const otherStart = /^\s*(?:[✔ℹ−▶] |✖ failing tests:|test at |=== )|^\d+ passed, \d+ failed/
const frame = /^\s+at /
/** Says nothing of a failure: frames of Node's own, and fields of an AssertionError that its message has told. */
const noise = /^\s+at .*\(?node:|^\s*(?:generatedMessage|code|actual|expected|operator): (?:\S+,?)$|^\s*}$/

/** Each test is told twice by node:test's own reporter: at its place, and again at the end, with another duration. */
const withoutDuration = line => line.trim().replace(/ \([\d.]+ms\)$/, '')

const hasRoomFor = (lines, line) =>
  lines.length < linesPerFailure &&
  !noise.test(line) &&
  !(frame.test(line) && lines.filter(earlier => frame.test(earlier)).length >= framesPerFailure)

/** The failures of one log, each as its first lines; what the log ends with where it names none. */
function failuresIn(log) {
  const failures = new Map()
  const said = []
  let current
  for (const line of log.split('\n')) {
    if (failureStart.test(line)) {
      const name = withoutDuration(line)
      current = failures.has(name) ? undefined : { before: said.slice(-linesPerFailure), lines: [line] }
      if (current !== undefined) failures.set(name, current)
    } else if (otherStart.test(line)) current = undefined
    else {
      if (line.trim() !== '') said.push(line)
      if (current !== undefined && hasRoomFor(current.lines, line)) current.lines.push(line)
    }
  }
  if (failures.size === 0) return said.length === 0 ? [] : [said.slice(-linesPerFailure)]
  return [...failures.values()].map(({ before, lines }) => {
    const told = lines.join('\n').trimEnd().split('\n')
    // A program that ends says why before that is noticed.
    return told.length > 1 ? told : [...told, ...before.filter(line => !noise.test(line))]
  })
}

/** What fits, shared evenly among the suites: many failures of one do not hide the others. Who has no room is named. */
function digest(suites) {
  const room = Math.floor(linesInAll / Math.max(suites.length, 1))
  return suites.flatMap(({ name, log }) => {
    const lines = [`--- ${name}`]
    const [first, ...others] = failuresIn(log)
    if (first !== undefined) lines.push(...first.slice(0, Math.max(room, 5)))
    let left = others.length
    for (const failure of others) {
      // Those that come behind it still need a line each for their names, as far as half of the room.
      const names = Math.min(left - 1, room / 2)
      if (lines.length + failure.length + names <= room) lines.push(...failure)
      else if (lines.length < room) lines.push(failure[0])
      else break
      left--
    }
    if (left > 0) lines.push(`and ${left} more`)
    return lines.map(line => (line.length > charactersPerLine ? `${line.slice(0, charactersPerLine)}…` : line))
  })
}

const suites = process.argv.slice(2).map(argument => {
  const at = argument.lastIndexOf('=')
  return { name: argument.slice(0, at), log: readFileSync(argument.slice(at + 1), 'utf8') }
})
console.log(digest(suites).join('\n'))
