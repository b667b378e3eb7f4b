import { RE2JS, RE2JSException, RE2JSSyntaxException } from 're2js'
import { err, ok, type Result } from '../../../base/result.ts'
import { patternCost } from './pattern-cost.ts'

/**
 * A subscription's regular expression in RE2's syntax, as Kafka takes it. Matching takes time linear in the name and at
 * most 8 MB of memory while the expression is kept: let go of it when the names are known.
 */
export class TopicRegex {
  readonly text: string
  private readonly compiled: RE2JS

  constructor(text: string, compiled: RE2JS) {
    this.text = text
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

/** The error is a sentence for the client, beside INVALID_REGULAR_EXPRESSION. */
export function compileTopicRegex(text: string): Result<TopicRegex, string> {
  const excess = excessOf(text)
  if (excess !== undefined) return err(invalid(text, excess))
  try {
    return ok(new TopicRegex(text, RE2JS.compile(text)))
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) return err(invalid(text, error.getDescription()))
    if (error instanceof RE2JSException) return err(invalid(text, error.message))
    throw error
  }
}

function excessOf(text: string): string | undefined {
  if (text.length > textLengthMax) return `it is longer than ${textLengthMax} characters`
  const cost = patternCost(text)
  if (cost.instructions > instructionsMax) return 'its repetitions are too large'
  if (cost.forks > forksMax) return `it has more than ${forksMax} repetitions and alternatives`
  const unicodeClasses = text.match(/\\p/gi)?.length ?? 0
  if (unicodeClasses > unicodeClassesMax) return `it has more than ${unicodeClassesMax} Unicode classes`
  return undefined
}

function invalid(text: string, why: string): string {
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text
  return `SubscribedTopicRegex \`${shown}\` is not a valid regular expression: ${why}.`
}
