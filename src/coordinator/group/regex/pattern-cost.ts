/** An upper bound of what a pattern costs, read off its text before anything is made of it. */
export interface PatternCost {
  /** Of the compiled program, once its counted repetitions are written out. */
  readonly instructions: number
  /** Places where a match can go on in two ways: what a matcher follows at the same time for one character of a name. */
  readonly forks: number
}

interface Piece {
  instructions: number
  forks: number
}

/**
 * Reads as much of RE2's syntax as it takes to know what is repeated: groups, classes, escapes, quotes and repetitions.
 * What is no valid pattern costs something too; its error is the compiler's to tell.
 */
export function patternCost(text: string): PatternCost {
  /** What stands in the groups that are open, the pattern itself first. */
  const open: Piece[] = [{ instructions: 2, forks: 0 }]
  let last: Piece = { instructions: 0, forks: 0 }
  const atom = (instructions: number, forks = 0): void => {
    const group = open[open.length - 1]!
    last = { instructions, forks }
    group.instructions += instructions
    group.forks += forks
  }
  /** The piece that was read last stands there `times` times, and `forks` times can be passed by. */
  const repeat = (times: number, forks: number): void => {
    const group = open[open.length - 1]!
    const grown = { instructions: last.instructions * times + forks, forks: last.forks * times + forks }
    group.instructions += grown.instructions - last.instructions
    group.forks += grown.forks - last.forks
    last = grown
  }
  for (let at = 0; at < text.length; ) {
    const char = text[at]!
    if (char === '\\') {
      const end = escapeEnd(text, at)
      if (text[at + 1] === 'Q') for (let i = at + 2; i < end; i++) atom(1)
      else atom(1)
      at = end
    } else if (char === '[') {
      atom(1)
      at = classEnd(text, at)
    } else if (char === '(') {
      open.push({ instructions: 2, forks: 0 })
      at = groupStart(text, at)
    } else if (char === ')') {
      const group = open.length > 1 ? open.pop()! : { instructions: 0, forks: 0 }
      atom(group.instructions, group.forks)
      at++
    } else if (char === '|') {
      // At the top level alternatives differ by where they begin, once a name; within, wherever the group stands.
      atom(2, open.length > 1 ? 1 : 0)
      at++
    } else if (char === '*' || char === '+' || char === '?') {
      repeat(1, 1)
      at++
    } else if (char === '{') {
      const counted = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(text.slice(at, at + 12))
      if (counted === null) atom(1)
      else {
        const least = Number(counted[1])
        const most = counted[2] === undefined ? least : counted[3] === '' ? least + 1 : Number(counted[3])
        repeat(Math.max(most, least, 1), counted[2] === undefined ? 0 : Math.max(most - least, 1))
      }
      at += counted?.[0].length ?? 1
    } else {
      atom(1)
      at++
    }
  }
  const whole: Piece = { instructions: 0, forks: 0 }
  for (const piece of open) {
    whole.instructions += piece.instructions
    whole.forks += piece.forks
  }
  return whole
}

/** Behind `\d`, `\x{10ffff}`, `\p{Greek}`, `\Q…\E`. */
function escapeEnd(text: string, at: number): number {
  const kind = text[at + 1]
  if (kind === 'Q') {
    const end = text.indexOf('\\E', at + 2)
    return end === -1 ? text.length : end + 2
  }
  if ((kind === 'x' || kind === 'p' || kind === 'P') && text[at + 2] === '{') {
    const end = text.indexOf('}', at + 3)
    return end === -1 ? text.length : end + 1
  }
  return at + 2
}

function classEnd(text: string, at: number): number {
  let next = at + 1
  if (text[next] === '^') next++
  if (text[next] === ']') next++
  while (next < text.length && text[next] !== ']') {
    if (text[next] === '\\') next += 2
    else if (text[next] === '[' && text[next + 1] === ':') {
      const end = text.indexOf(':]', next + 2)
      next = end === -1 ? next + 1 : end + 2
    } else next++
  }
  return next + 1
}

/** Behind `(`, `(?:`, `(?i)` without its bracket, `(?P<name>`. */
function groupStart(text: string, at: number): number {
  if (text[at + 1] !== '?') return at + 1
  const head = /^\(\?(?:P?<[^>]*>|[a-zA-Z-]*:?)/.exec(text.slice(at, at + 300))
  return at + Math.max(head?.[0].length ?? 2, 2)
}
