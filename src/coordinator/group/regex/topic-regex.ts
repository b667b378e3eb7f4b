import { RE2JS, RE2JSException, RE2JSSyntaxException } from 're2js'
import { err, ok, type Result } from '../../../base/result.ts'
import { type PatternCost, patternCost } from './pattern-cost.ts'

/**
 * A subscription's regular expression in RE2's syntax, as Kafka takes it. Matching takes time linear in the name and at
 * most 8 MB of memory while the expression is kept: let go of it when the names are known.
 */
export class TopicRegex {
  readonly text: string
  /** How many names a plain expression matches in the time that this one may take for one name. */
  readonly cost: number
  private readonly compiled: RE2JS

  constructor(text: string, cost: number, compiled: RE2JS) {
    this.text = text
    this.cost = cost
    this.compiled = compiled
  }

  /** Whether the expression matches all of `name`. */
  matches(name: string): boolean {
    return this.compiled.testExact(name)
  }
}

// What clients send is compiled and run on the thread that decides everything, so it must not cost more than this. Kafka sets
// no such bounds; they leave room for thousands of alternatives and for what anybody writes by hand.
const textLengthMax = 8192
const instructionsMax = 8192
const forksMax = 256
/** Each is hundreds of ranges, which are folded one by one where case does not matter. */
const unicodeClassesMax = 64

/** The error says what is wrong with the text, as a part of a sentence: `missing closing ]`. */
export function compileTopicRegex(text: string): Result<TopicRegex, string> {
  if (text.length > textLengthMax) return err(`it is longer than ${textLengthMax} characters`)
  const cost = patternCost(text)
  const excess = excessOf(text, cost)
  if (excess !== undefined) return err(excess)
  try {
    return ok(new TopicRegex(text, 1 + cost.forks, RE2JS.compile(text)))
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) return err(error.getDescription())
    if (error instanceof RE2JSException) return err(error.message)
    throw error
  }
}

function excessOf(text: string, { instructions, forks }: PatternCost): string | undefined {
  if (instructions > instructionsMax) return 'its repetitions are too large'
  if (forks > forksMax) return `it has more than ${forksMax} repetitions and alternatives`
  const unicodeClasses = text.match(/\\p/gi)?.length ?? 0
  if (unicodeClasses > unicodeClassesMax) return `it has more than ${unicodeClassesMax} Unicode classes`
  return undefined
}
