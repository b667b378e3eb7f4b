import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RE2JS, RE2JSException } from 're2js'
import { patternCost } from '../../../../src/coordinator/group/regex/pattern-cost.ts'
import { compileTopicRegex } from '../../../../src/coordinator/group/regex/topic-regex.ts'

const runs = Number(process.env.MILLRACE_PROPERTY_RUNS ?? 300)

function matches(text: string, name: string): boolean {
  const compiled = compileTopicRegex(text)
  assert.ok(compiled.ok, compiled.ok ? '' : compiled.error)
  return compiled.value.matches(name)
}

function refused(text: string): string {
  const compiled = compileTopicRegex(text)
  assert.ok(!compiled.ok, `${text.slice(0, 60)} is taken`)
  return compiled.error
}

test('a name matches as a whole or not at all', () => {
  assert.equal(matches('foo', 'foo'), true)
  assert.equal(matches('foo', 'foobar'), false)
  assert.equal(matches('foo', 'afoo'), false)
  assert.equal(matches('a|ab', 'ab'), true, 'also where a shorter alternative comes first')
  assert.equal(matches('foo.*', 'foobar'), true)
  assert.equal(matches('^foo$', 'foo'), true)
  assert.equal(matches('', ''), true)
  assert.equal(matches('(?i)ORDERS-\\d{2,4}', 'orders-123'), true)
  assert.equal(matches('[[:alpha:]]+\\.\\Qa.b\\E', 'x.a.b'), true)
  assert.equal(matches('\\pL+', 'abc'), true)
})

test('what RE2 lacks or cannot read is refused with what is wrong', () => {
  assert.equal(refused('['), 'missing closing ]')
  for (const text of [
    '(?=a)b',
    '(?!a)',
    '(?<=a)b',
    '\\1',
    'a**',
    '(',
    ')',
    'a{1001}',
    '\\C',
    '(a{1000}){1000}',
    '*a',
  ]) {
    assert.match(refused(text), /^[a-z].+[^.]$/)
  }
})

test('patterns that would cost too much are refused before anything is made of them', () => {
  const hostile = [
    'a'.repeat(8193),
    '(?:x?){1000}',
    '(?:x{1000}|){9}',
    '(?:x?){1000}|'.repeat(600),
    '((a{10}){10}){10}'.repeat(20),
    '.*'.repeat(4000),
    '(x|xx)'.repeat(500),
    '(?i)'.concat('\\pL'.repeat(2000)),
    '('.repeat(8000),
    '[\\]]{999}'.repeat(100),
    '\\Q(\\E{500}x{500}'.repeat(40),
  ]
  const startedAt = process.cpuUsage()
  for (const text of hostile) refused(text)
  const { user, system } = process.cpuUsage(startedAt)
  assert.ok(user + system < 2_000_000, `${user + system} µs for ${hostile.length} patterns`)
})

test('what backtracking takes for ever is answered at once', () => {
  const startedAt = process.cpuUsage()
  assert.equal(matches('(x+x+)+y', 'x'.repeat(249)), false)
  assert.equal(matches('(.*)(.*)(.*)(.*)(.*)(.*)z', 'y'.repeat(249)), false)
  assert.equal(matches('(?:a?){100}a{100}', 'a'.repeat(249)), false)
  assert.equal(matches('((((.*)*)*)*)*b', 'a'.repeat(249)), false)
  const { user, system } = process.cpuUsage(startedAt)
  assert.ok(user + system < 3_000_000, `${user + system} µs`)
})

test('a pattern that lists hundreds of topics is taken', () => {
  const names = Array.from({ length: 400 }, (_, number) => `orders.region-${number}`)
  const compiled = compileTopicRegex(names.map(name => name.replace('.', '\\.')).join('|'))
  assert.ok(compiled.ok)
  for (const name of names) assert.equal(compiled.value.matches(name), true)
  assert.equal(compiled.value.matches('orders.region-400'), false)
  assert.equal(matches(`team-(${Array.from({ length: 200 }, (_, n) => `t${n}`).join('|')})-.*`, 'team-t7-x'), true)
})

const pattern: fc.Arbitrary<string> = fc.letrec<{ part: string }>(tie => ({
  part: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(
      'a',
      'b',
      '.',
      '-',
      '\\.',
      '\\d',
      '\\w',
      '[a-z]',
      '[^]a]',
      '[[:digit:]x]',
      '\\Q(\\E',
      '\\x{41}',
      '^',
      '$',
      '\\b',
      '\\pL',
    ),
    fc.tuple(tie('part'), tie('part')).map(parts => parts.join('')),
    fc.tuple(tie('part'), tie('part')).map(([a, b]) => `(${a}|${b})`),
    fc.tuple(fc.constantFrom('(', '(?:', '(?i)(', '(?P<n>', '(?s:'), tie('part')).map(([open, a]) => `${open}${a})`),
    fc
      .tuple(tie('part'), fc.constantFrom('*', '+', '?', '*?', '{2}', '{0,3}', '{2,}', '{5,7}', '{20}'))
      .map(([a, times]) => `(?:${a})${times}`),
  ),
})).part

test('the cost read off a pattern bounds the program that is made of it', () => {
  fc.assert(
    fc.property(pattern, text => {
      const cost = patternCost(text)
      if (cost.instructions > 20_000) return
      let size: number
      try {
        size = RE2JS.compile(text).programSize()
      } catch (error) {
        assert.ok(error instanceof RE2JSException)
        return
      }
      assert.ok(size <= 4 * cost.instructions + 4, `${size} instructions, foreseen ${cost.instructions}`)
    }),
    { numRuns: runs },
  )
})

test('no text makes the compiler throw, and what it takes agrees with the language where both know the syntax', () => {
  fc.assert(
    fc.property(
      fc.oneof(pattern, fc.string({ unit: 'binary', maxLength: 40 }), hostileText),
      fc.string(),
      (text, name) => {
        const compiled = compileTopicRegex(text)
        if (compiled.ok) assert.equal(typeof compiled.value.matches(name), 'boolean')
        else assert.ok(compiled.error.length > 0)
      },
    ),
    { numRuns: runs },
  )
  const simple = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '+', '?', '|'), maxLength: 6 }).filter(text => {
    try {
      return new RegExp(text, 'u') !== undefined && !/[*+?]{2}/.test(text)
    } catch {
      return false
    }
  })
  fc.assert(
    fc.property(simple, fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 }), (text, name) => {
      assert.equal(matches(text, name), new RegExp(`^(?:${text})$`, 'u').test(name))
    }),
    { numRuns: runs },
  )
})

const hostileText = fc
  .array(
    fc.constantFrom(
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      '\\',
      '?',
      '*',
      '|',
      ':',
      '^',
      'P<',
      '{9}',
      '\\Q',
      '\\E',
      'x',
      '-',
      ',',
    ),
    { maxLength: 30 },
  )
  .map(parts => parts.join(''))
