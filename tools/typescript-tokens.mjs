// Splits TypeScript into tokens, just far enough for the source checks: words, punctuation and strings with their
// lines; comments and regular expressions are dropped, code inside `${}` is not. (TypeScript 7 offers no parser to call.)

const wordStart = /[\p{ID_Start}$_#]/u
const wordPart = /[\p{ID_Continue}$\u200c\u200d]/u
// After these words a slash begins a regular expression; after any other word it divides.
const beforeExpression = new Set(
  'return typeof instanceof in of new delete void throw case do else await yield default extends'.split(' '),
)

/** @returns {{kind: 'word' | 'string' | 'number' | 'mark', text: string, line: number}[]} */
export function tokens(source) {
  const found = []
  const braces = [] // One entry per open brace: true where its end resumes a template literal.
  let at = 0
  let line = 1

  const push = (kind, text) => found.push({ kind, text, line })

  const slashBeginsRegex = () => {
    const previous = found.at(-1)
    if (previous === undefined) return true
    if (previous.kind === 'word') return beforeExpression.has(previous.text)
    return previous.kind === 'mark' && previous.text !== ')' && previous.text !== ']' && previous.text !== '}'
  }

  const skipRegex = () => {
    for (let inClass = false; at < source.length; at++) {
      const char = source[at]
      if (char === '\\') at++
      else if (char === '[') inClass = true
      else if (char === ']') inClass = false
      else if ((char === '/' && !inClass) || char === '\n') break
    }
    at++
    push('string', '')
  }

  const readQuoted = quote => {
    let text = ''
    for (; at < source.length && source[at] !== quote && source[at] !== '\n'; at++) {
      if (source[at] === '\\') at++
      if (source[at] === '\n') line++
      text += source[at] ?? ''
    }
    at++
    push('string', text)
  }

  // From inside a template to its end, or to the `${` after which code follows.
  const readTemplate = () => {
    let text = ''
    for (; at < source.length; at++) {
      if (source[at] === '\\') at++
      else if (source[at] === '`') break
      else if (source[at] === '$' && source[at + 1] === '{') {
        at += 2
        push('string', text)
        push('mark', '${')
        braces.push(true)
        return
      }
      if (source[at] === '\n') line++
      text += source[at] ?? ''
    }
    at++
    push('string', text)
  }

  while (at < source.length) {
    const char = source[at]
    if (char === '\n') {
      line++
      at++
    } else if (char === ' ' || char === '\t' || char === '\r') {
      at++
    } else if (char === '/' && source[at + 1] === '/') {
      const end = source.indexOf('\n', at)
      at = end < 0 ? source.length : end
    } else if (char === '/' && source[at + 1] === '*') {
      const end = source.indexOf('*/', at + 2)
      const comment = source.slice(at, end < 0 ? source.length : end + 2)
      line += comment.split('\n').length - 1
      at += comment.length
    } else if (char === '/' && slashBeginsRegex()) {
      at++
      skipRegex()
    } else if (char === "'" || char === '"') {
      at++
      readQuoted(char)
    } else if (char === '`') {
      at++
      readTemplate()
    } else if (wordStart.test(char)) {
      const start = at++
      while (at < source.length && wordPart.test(source[at])) at++
      push('word', source.slice(start, at))
    } else if (char >= '0' && char <= '9') {
      const [text] = source.slice(at).match(/^[\w.]+/)
      at += text.length
      push('number', text)
    } else {
      at++
      push('mark', char)
      if (char === '{') braces.push(false)
      else if (char === '}' && braces.pop() === true) readTemplate()
    }
  }
  return found
}

/** Every module named by `import`, `export … from`, `import()` or `require()`, types included. */
export function importsOf(source) {
  const all = tokens(source)
  const imports = []
  for (const [index, token] of all.entries()) {
    if (token.kind !== 'string') continue
    const before = all[index - 1]
    const called = all[index - 2]
    const byName = before?.kind === 'word' && (before.text === 'from' || before.text === 'import')
    const byCall =
      before?.text === '(' && called?.kind === 'word' && (called.text === 'import' || called.text === 'require')
    if (byName || byCall) imports.push({ specifier: token.text, line: token.line })
  }
  return imports
}
