// The embedded log from beginning to end. Arguments: the package, a directory.
import assert from 'node:assert/strict'

const [entry, directory] = process.argv.slice(2)
const { Log, MillraceError } = await import(entry)

const log = await Log.open(directory)
assert.equal(log.append('one'), 0)
assert.equal(log.append({ key: 'k', value: 'two', headers: { h: 'v' }, timestamp: 1_700_000_000_000 }), 1)
assert.equal(log.appendBatch(Array.from({ length: 10_000 }, (_, index) => `value ${index}`)), 2)
await log.flushed()
assert.equal(log.durableOffset, 10_002)

const cursor = log.cursor(0)
let records = 0
while (cursor.next()) records++
assert.equal(records, 10_002)
cursor.seek(1)
assert.ok(cursor.next())
assert.equal(String(cursor.key), 'k')
assert.equal(String(cursor.value), 'two')
assert.equal(cursor.timestamp, 1_700_000_000_000)

const live = log.read({ from: 10_002, live: true })
const next = live.next()
log.append('live')
assert.equal(String((await next).value.value), 'live')
await live.return()

await assert.rejects(Log.open(directory), error => error instanceof MillraceError && /close\(\)/.test(error.message))
const reader = await Log.open(directory, { readOnly: true })
assert.equal(reader.endOffset, 10_003)
await reader.close()
const lent = cursor.value
await log.close()
assert.equal(lent.length, 0, 'what was lent ends with the log')
assert.throws(() => log.append('late'), { code: 'MILLRACE_CLOSED' })

const again = await Log.open(directory)
const values = []
for await (const { value } of again.read({ from: 0, to: 2 })) values.push(String(value))
assert.deepEqual(values, ['one', 'two'])
await again.close()
console.log('done')
